"""What docker-bake.hcl gives every image: read from what bake makes of it, and from the images."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
WORDS = [
    *sorted(path.parent.name for path in ROOT.glob("images/*/Dockerfile")),
    "airflow",
    "docker-proxy",
]
LABELS = ("title", "version", "revision", "source", "licenses")

pytestmark = pytest.mark.image


# What `make images` builds, and what only who asks for it gets.
EVERYTHING = ("default", "build_model_spark")


def plan(*targets: str, **variables: str) -> dict[str, Any]:
    """Return bake's targets by the name of their image."""
    command = ["docker", "buildx", "bake", "--file", "docker-bake.hcl", "--print", *targets]
    environment = {**os.environ, **variables}
    done = subprocess.run(command, check=True, capture_output=True, cwd=ROOT, env=environment)
    targets = json.loads(done.stdout)["target"].values()
    return {target["tags"][0].partition(":")[0].rpartition("/")[2]: target for target in targets}


def test_every_dockerfile_is_built():
    assert sorted(plan(*EVERYTHING)) == sorted(WORDS)


def test_spark_is_built_only_where_it_is_asked_for():
    assert set(WORDS) - set(plan()) == {"build_model_spark"}


def test_every_image_is_told_where_its_sources_are():
    for word, target in plan(*EVERYTHING, SOURCE_URL="https://git.example.com/ad-click").items():
        assert target["args"]["SOURCE_URL"] == "https://git.example.com/ad-click", word


@pytest.mark.parametrize("word", WORDS)
def test_image_has_every_label(word: str, settings: dict[str, str]):
    image = f"localhost/ad-click/{word}:{settings['IMAGE_TAG']}"
    command = ["docker", "image", "inspect", "--format", "{{json .Config.Labels}}", image]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    labels = json.loads(done.stdout)
    assert labels["org.opencontainers.image.title"] == f"ad-click {word}"
    for name in LABELS:
        assert labels[f"org.opencontainers.image.{name}"], name
