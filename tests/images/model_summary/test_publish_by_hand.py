"""Publishing and rolling back by hand: what is proven, what is refused, what the history says."""

from __future__ import annotations

import json
import shutil

import pytest
from tests.images.conftest import CHAIN

from model_summary.history import read_history
from model_summary.publish_by_hand import main


@pytest.fixture
def by_hand(finished, monkeypatch, capsys):
    """Runs the command; returns its exit code and the sentence."""
    monkeypatch.setenv("SHARED_VOLUME", str(finished.path))

    def by_hand(*arguments):
        code = main(list(arguments))
        printed = capsys.readouterr()
        return code, (printed.err or printed.out).strip()

    return by_hand


def published(volume):
    return json.loads((volume.path / "model" / "model_summary.json").read_text())


def train(volume, run_id, *arguments, publish="if_not_worse"):
    """Run the stages on the bundled data, and return model_summary's end."""
    volume.run_chain(
        "evaluate_model",
        run_id=run_id,
        build_model=list(arguments),
        evaluate_model=["--min-accuracy", "0"],
    )
    return volume.run("model_summary", "--publish", publish, run_id=run_id)


def train_worse(volume, run_id="worse", **given):
    return train(volume, run_id, "--max-iter", "1", "--C", "0.0001", **given)


def events(volume):
    return [(line["event"], line["run_id"]) for line in read_history(volume.path / "model")]


def test_worse_model_is_refused_and_the_stage_ends_well(finished):
    ended = train_worse(finished)
    assert (ended.code, ended.summary["metrics"]["published"]) == (0, False)
    reason = ended.summary["metrics"]["reason"]
    assert reason.startswith("it is worse than the published model of run demo on the same 300")
    assert published(finished)["run_id"] == "demo"
    assert events(finished) == [("published", "demo"), ("refused", "worse")]
    summary = finished.read("model_summary/model_summary.json", "worse")
    assert (summary["published"], summary["reason"]) == (False, reason)
    text = finished.folder("model_summary/model_summary.txt", "worse").read_text()
    assert "published           no" in text
    assert finished.run("end_pipeline", run_id="worse").code == 0


def test_worse_model_is_published_where_that_is_asked_for(finished):
    assert train_worse(finished, publish="always").summary["metrics"]["published"] is True
    assert published(finished)["run_id"] == "worse"


def test_no_model_is_published_where_that_is_asked_for(finished):
    ended = train(finished, "same", publish="never")
    assert (ended.code, published(finished)["run_id"]) == (0, "demo")
    assert events(finished)[-1] == ("refused", "same")


def test_same_model_of_another_run_is_not_published_anew(finished):
    before = sorted((finished.path / "model" / "releases").iterdir())
    metrics = train(finished, "same").summary["metrics"]
    assert (metrics["published"], metrics["same_as"]) == (True, "demo")
    assert metrics["reason"].startswith("the quality gate is met: ")
    assert metrics["reason"].endswith(
        "; it is the same model as the published one of run demo, which stays"
    )
    assert published(finished)["run_id"] == "demo"
    assert events(finished) == [("published", "demo")]
    assert sorted((finished.path / "model" / "releases").iterdir()) == before
    assert finished.run("end_pipeline", run_id="same").summary["metrics"]["published"] is True


def test_run_that_changes_nothing_takes_all_over_from_its_second_repeat_on(finished):
    reusable = ("load_data", "data_preprocessing", "separate_data", "build_model", "evaluate_model")
    told = {}
    for run_id in ("first", "second", "third"):
        for name in CHAIN[:-1]:
            told[run_id, name] = finished.run(name, run_id=run_id, force=False).summary
    # The first one is compared with what the former run has published meanwhile.
    assert "input model/" in told["first", "evaluate_model"]["why"]
    for run_id in ("second", "third"):
        assert {told[run_id, name]["status"] for name in reusable} == {"up to date"}
        assert told[run_id, "model_summary"]["metrics"]["same_as"] == "demo"


def test_same_model_is_published_anew_where_that_is_asked_for(finished):
    metrics = train(finished, "same", publish="always").summary["metrics"]
    assert (metrics["published"], metrics["same_as"]) == (True, None)
    assert published(finished)["run_id"] == "same"


def test_published_file_that_was_damaged_is_replaced_by_the_same_model(finished):
    (finished.path / "model" / "logistic_regression_model.skops").write_bytes(b"damaged")
    assert train(finished, "same").summary["metrics"]["same_as"] is None
    assert published(finished)["run_id"] == "same"


def test_history_tells_the_decision(finished):
    train(finished, "same", publish="always")
    first, second = read_history(finished.path / "model")
    metrics = finished.read("evaluate_model/metrics.json")
    assert set(second) == {
        *("time", "event", "run_id", "sha256", "reason", "accuracy", "roc_auc", "previous"),
        "release",
    }
    assert (first["previous"], second["previous"]) == (None, "demo")
    assert (second["accuracy"], second["roc_auc"]) == (metrics["accuracy"], metrics["roc_auc"])
    assert second["sha256"] == published(finished)["model"]["sha256"]
    assert (finished.path / "model" / "releases" / second["release"]).is_dir()


def test_summary_proves_what_is_published_with_it(finished):
    summary = published(finished)
    model = [f"logistic_regression_model.{suffix}" for suffix in ("pkl", "skops", "onnx")]
    assert list(summary["files"]) == [*model, "reference.parquet", "model_card.md"]
    model = summary["files"]["logistic_regression_model.pkl"]
    assert model["sha256"] == summary["model"]["sha256"]
    assert list(summary["contract"]["columns"]) == [*summary["features"], summary["target"]]
    assert summary["drift"] == finished.read("evaluate_model/drift.json")
    assert summary["comparison"] == finished.read("evaluate_model/comparison.json")


def test_refused_model_is_published_by_hand_and_rolled_back(finished, by_hand):
    train_worse(finished)
    code, said = by_hand("worse")
    assert (code, said[:35]) == (0, "the model of run worse is published")
    summary = published(finished)
    assert (summary["run_id"], summary["published"]) == ("worse", True)
    assert summary["reason"].startswith("it was published by hand; it is worse than")
    text = (finished.path / "model" / "model_summary.txt").read_text()
    assert "published           yes" in text
    model = (finished.path / "model" / "logistic_regression_model.pkl").read_bytes()
    made = finished.folder("build_model/logistic_regression_model.pkl", "worse").read_bytes()
    assert model == made

    assert by_hand("--roll-back") == (
        0,
        "rolled back from the model of run worse to that of run demo",
    )
    assert published(finished)["run_id"] == "demo"
    last = read_history(finished.path / "model")[-1]
    assert (last["event"], last["run_id"], last["previous"]) == ("rolled_back", "demo", "worse")
    assert events(finished)[-2:] == [("published_by_hand", "worse"), ("rolled_back", "demo")]


def test_roll_back_of_a_roll_back_goes_further_back(finished, by_hand):
    for run_id in ("b", "c"):
        assert train(finished, run_id, publish="always").code == 0
    assert [by_hand("--roll-back")[0] for _ in range(2)] == [0, 0]
    assert published(finished)["run_id"] == "demo"
    code, said = by_hand("--roll-back")
    assert code == 66
    assert said == (
        "error: no release before the one of run demo is kept in model/releases; publish an "
        "earlier run with: make publish RUN=<run id>"
    )
    assert published(finished)["run_id"] == "demo"


def test_next_run_is_compared_with_the_model_that_was_rolled_back_to(finished, by_hand):
    train_worse(finished, publish="always")
    assert by_hand("--roll-back")[0] == 0
    assert train(finished, "next").code == 0
    assert finished.read("evaluate_model/comparison.json", "next")["champion"]["run_id"] == "demo"


def test_second_publication_of_one_run_is_no_model_to_roll_back_to(finished, by_hand):
    assert finished.run("model_summary").code == 0
    assert by_hand("--roll-back")[0] == 66


def test_published_run_needs_its_folder_no_longer_to_be_rolled_back_to(finished, by_hand):
    train(finished, "next", publish="always")
    shutil.rmtree(finished.path / "runs" / "demo")
    assert by_hand("--roll-back")[0] == 0
    for name in published(finished)["files"]:
        assert (finished.path / "model" / name).is_file()


@pytest.mark.parametrize(
    ("run_id", "code", "words"),
    [
        ("nowhere", 66, "there is no run nowhere on the shared volume"),
        ("../runs/demo", 2, "'../runs/demo' is no run id"),
        (".hidden", 2, "is no run id"),
    ],
)
def test_run_that_is_none_is_refused(by_hand, run_id, code, words):
    assert by_hand(run_id)[0] == code
    assert words in by_hand(run_id)[1]


def test_run_that_is_not_finished_is_refused(finished, by_hand):
    finished.run_chain("evaluate_model", run_id="half")
    assert by_hand("half") == (
        66,
        "error: model_summary has not run in run half; finish that run first",
    )


def test_run_that_missed_the_gate_is_refused(finished, by_hand):
    finished.run("evaluate_model", "--min-accuracy", "0.999")
    code, said = by_hand("demo")
    assert code == 65
    assert said == (
        "error: the model of run demo missed the quality gate: accuracy 0.9633 is below "
        "min_accuracy 0.999"
    )


@pytest.mark.parametrize(
    "name",
    [
        "build_model/logistic_regression_model.pkl",
        "evaluate_model/reference.parquet",
        "model_summary/model_summary.json",
        "model_summary/model_summary.txt",
    ],
)
def test_file_that_was_changed_after_the_run_is_refused(finished, by_hand, name):
    before = (finished.path / "model" / "current").readlink()
    path = finished.folder(name)
    path.write_bytes(path.read_bytes() + b" ")
    code, said = by_hand("demo")
    assert (code, f"runs/demo/{name} was changed after the run" in said) == (65, True)
    path.unlink()
    code, said = by_hand("demo")
    assert (code, f"runs/demo/{name} is missing" in said) == (66, True)
    assert (finished.path / "model" / "current").readlink() == before


def test_model_that_was_built_again_since_its_summary_is_refused(finished, by_hand):
    assert finished.run("build_model", "--C", "0.5").code == 0
    code, said = by_hand("demo")
    assert code == 65
    assert "is not the file of the run's model_summary.json" in said


def test_roll_back_without_a_model_is_refused(bare_volume, monkeypatch, capsys):
    monkeypatch.setenv("SHARED_VOLUME", str(bare_volume.path))
    assert main(["--roll-back"]) == 66
    assert "no model is published" in capsys.readouterr().err


def test_folder_that_is_no_volume_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SHARED_VOLUME", str(tmp_path))
    assert main(["demo"]) == 66
    assert "is not the shared volume" in capsys.readouterr().err
