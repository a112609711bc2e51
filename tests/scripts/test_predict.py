"""`make predict`: the three stages by hand, by the images, on a model that is published."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def make_predict(**settings: str) -> subprocess.CompletedProcess[str]:
    """Run the command; a setting that is empty is one that is not given."""
    given = {name: value for name, value in os.environ.items() if name not in ("SOURCE", "DATASET")}
    return subprocess.run(
        ["make", "predict"],
        cwd=ROOT,
        env={**given, **settings},
        capture_output=True,
        text=True,
        check=False,
    )


def test_without_a_file_it_says_how_one_is_named():
    done = make_predict()
    assert "error: which file? make predict SOURCE=data/new.csv" in done.stderr
    assert "Error 2" in done.stderr


@pytest.mark.image
def test_first_stage_that_refuses_ends_it_and_says_why(settings, tmp_path):
    volume = tmp_path / "volume"
    (volume / "data").mkdir(parents=True)
    (volume / ".ad-click-volume").touch()
    for name in ("advertising.toml", "advertising.csv"):
        (volume / "data" / name).write_bytes((ROOT / "shared_volume/data" / name).read_bytes())
    if os.geteuid() == 0:
        for path in (volume, volume / "data"):
            os.chown(path, int(settings["PIPELINE_UID"]), int(settings["PIPELINE_GID"]))
    env_file = os.environ.get("ENV_FILE", ".test/.env")
    where = {"SHARED_VOLUME": str(volume), "ENV_FILE": env_file}
    done = make_predict(SOURCE="data/none.csv", **where)
    assert "data/none.csv is missing on the shared volume" in done.stdout
    assert "Error 66" in done.stderr
    done = make_predict(SOURCE="data/advertising.csv", **where)
    assert "no model is published on the shared volume; train and publish one" in done.stdout
    assert "predictions:" not in done.stdout
    assert "Error 66" in done.stderr
