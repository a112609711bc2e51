"""drawing.py: the process that draws, and how it fails."""

import numpy as np
import pytest

from evaluate_model.drawing import Drawing, Weights

LINE = np.array([0.0, 1.0])
FIGURES = {
    "roc": (LINE, LINE),
    "precision_recall": (LINE, LINE),
    "measured": {
        "roc_auc": 0.5,
        "average_precision": 0.5,
        "positive_share": 0.5,
        "calibration": [{"predicted": 0.5, "observed": 0.5}],
        "confusion_matrix": [[1, 0], [0, 1]],
    },
    "weights": Weights("Coefficients", "weight", [("a", 1.0)]),
}


def test_figures_are_there_when_it_has_finished(tmp_path):
    with Drawing(tmp_path / "figures") as drawing:
        drawing.begin(**FIGURES)
        drawing.finish()
    assert len(list((tmp_path / "figures").iterdir())) == 10


def test_error_of_the_file_system_is_raised_here_as_it_was_there(tmp_path):
    (tmp_path / "file").touch()
    with Drawing(tmp_path / "file") as drawing:
        drawing.begin(**FIGURES)
        with pytest.raises(FileExistsError) as raised:
            drawing.finish()
    assert raised.value.filename == str(tmp_path / "file")
    assert "figures.py" in raised.value.__notes__[0]


def test_process_that_is_killed_had_too_little_memory(tmp_path):
    with Drawing(tmp_path / "figures") as drawing:
        drawing.process.kill()
        drawing.begin(**FIGURES)
        with pytest.raises(MemoryError):
            drawing.finish()


def test_process_that_fails_before_it_draws_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "none of them")
    with Drawing(tmp_path / "figures") as drawing:
        drawing.begin(**FIGURES)
        with pytest.raises(RuntimeError, match="the figures' process ended with 1"):
            drawing.finish()


def test_process_ends_with_the_block(tmp_path):
    with pytest.raises(ZeroDivisionError), Drawing(tmp_path / "figures") as drawing:
        raise ZeroDivisionError
    assert drawing.process.poll() is not None
    assert not (tmp_path / "figures").exists()
