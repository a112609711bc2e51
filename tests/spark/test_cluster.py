"""build_model_spark on the cluster of docker-compose.spark.yaml, one of whose workers is killed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docker-compose.spark.yaml").read_text()
COMPOSE = yaml.safe_load(TEXT)
PROJECT = f"ad-click-spark-{os.getpid()}"
# Two workers at work at a time; what the killed one held is what the other one makes again.
KILLED_AT = "looking for rows of both parts"
FILES = ("build_model/logistic_regression_model.pkl", "evaluate_model/metrics.json")


@pytest.mark.parametrize("service", ["spark-master", "spark-worker"])
def test_service_has_the_walls_of_the_others(service: str):
    told = COMPOSE["services"][service]
    assert told["read_only"] is True
    assert told["cap_drop"] == ["ALL"]
    assert told["security_opt"] == ["no-new-privileges:true"]
    assert told["user"].startswith("${PIPELINE_UID:?")
    assert told["restart"] == "always"
    assert told["pull_policy"] == "never"
    assert told["healthcheck"]["test"]
    assert told["mem_limit"]
    assert told["pids_limit"] > 0
    assert told["networks"] == ["spark"]
    assert "ports" not in told  # nor are its pages opened


def test_network_is_closed_unless_a_setting_opens_it():
    assert COMPOSE["networks"] == {"spark": {"internal": "${SPARK_NETWORK_INTERNAL:-true}"}}


def test_object_storages_keys_reach_no_service_but_the_scheduler():
    told = {name for name, service in COMPOSE["services"].items() if "AWS_" in str(service)}
    assert told == {"airflow-scheduler"}


@dataclass
class Cluster:
    """A master and two workers, and stages by hand on the volume that they share."""

    volume: Path
    environment: dict[str, str]

    def compose(self, *words: str) -> None:
        """Run a command of compose with both files."""
        files = ("--file", "docker-compose.yaml", "--file", "docker-compose.spark.yaml")
        env_file = self.environment["ENV_FILE"]
        command = ["docker", "compose", "--project-directory", str(ROOT), *files]
        command += ["--env-file", env_file, *words]
        subprocess.run(command, check=True, capture_output=True, env=self.environment, cwd=ROOT)

    def start(self, stage: str, *words: str, **settings: str) -> subprocess.Popen[str]:
        """Start a stage as `make stage` does."""
        return subprocess.Popen(
            ["scripts/stage.sh", stage, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=ROOT,
            env={**self.environment, **settings},
        )

    def train(self, run: str, **settings: str) -> subprocess.Popen[str]:
        """Open a run and start its training."""
        opened = self.start("start_pipeline", "--run-id", run)
        said, _ = opened.communicate()
        assert opened.returncode == 0, said
        return self.start("build_model_spark", "--run-id", run, "--yardstick=false", **settings)

    def result(self, run: str) -> dict[str, Any]:
        """Return what a run's training found: the model's own bytes, and its metrics."""
        folder = self.volume / "runs" / run
        report = json.loads((folder / "build_model/report.json").read_text())
        model = next(o for o in report["outputs"] if o["path"].endswith(".pkl"))
        metrics = json.loads((folder / "evaluate_model/metrics.json").read_text())
        return {"sha256": model["sha256"], "metrics": metrics}


@pytest.fixture(scope="module")
def cluster(
    built_images: dict[str, str],
    settings: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Cluster]:
    assert "build_model_spark" in built_images
    volume = tmp_path_factory.mktemp("volume")
    (volume / ".ad-click-volume").touch()
    shutil.copytree(ROOT / "shared_volume/data", volume / "data")
    (volume / "runs").mkdir()
    for path in (volume, *volume.parents[:2]):
        path.chmod(0o755)
    if os.getuid() == 0:
        os.chown(volume / "runs", int(settings["PIPELINE_UID"]), int(settings["PIPELINE_GID"]))
    made = Cluster(
        volume,
        {
            **os.environ,
            "ENV_FILE": os.environ.get("ENV_FILE", ".test/.env"),
            "COMPOSE_PROJECT_NAME": PROJECT,
            "SHARED_VOLUME": str(volume),
            "SPARK_WORKERS": "2",
            "SPARK_WORKER_CPUS": "1",
            "SPARK_WORKER_MEMORY": "2g",
        },
    )
    try:
        made.compose("up", "--detach", "--wait", "spark-master", "spark-worker")
        yield made
    finally:
        made.compose("down", "--volumes")


@pytest.fixture(scope="module")
def alone(cluster: Cluster) -> dict[str, Any]:
    """What the application finds in its own container, which has no network."""
    work = cluster.train("alone", SPARK_NETWORK="none", SPARK_MASTER="local[*]")
    said, _ = work.communicate()
    assert work.returncode == 0, said
    return cluster.result("alone")


@pytest.mark.image
def test_worker_that_is_killed_changes_nothing_in_the_result(cluster, alone):
    settings = {"SPARK_NETWORK": "spark", "SPARK_MASTER": "spark://spark-master:7077"}
    said = []
    with cluster.train("many", **settings) as work:
        assert work.stdout
        for line in work.stdout:
            said.append(line)
            if KILLED_AT in line:
                subprocess.run(["docker", "kill", f"{PROJECT}-spark-worker-2"], check=True)
    assert work.returncode == 0, "".join(said)
    assert any("Lost executor" in line for line in said), "".join(said)
    assert cluster.result("many") == alone


@pytest.mark.image
def test_object_storages_address_and_keys_arrive_in_hadoops_settings(built_images):
    program = """
from pyspark.sql import SparkSession
told = SparkSession.builder.master("local[1]").getOrCreate()._jsc.hadoopConfiguration()
print([told.get(f"fs.s3a.{name}") for name in ("endpoint", "access.key", "secret.key")])
"""
    settings = (
        "S3_ENDPOINT=https://store.example",
        "AWS_ACCESS_KEY_ID=a",
        "AWS_SECRET_ACCESS_KEY=b",
    )
    walls = ("--rm", "--network=none", "--read-only", "--tmpfs=/tmp:noexec", "--cap-drop=ALL")
    command = ["docker", "run", *walls, *(f"--env={s}" for s in settings), "--entrypoint=python3"]
    done = subprocess.run(
        [*command, built_images["build_model_spark"], "-c", program],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "['https://store.example', 'a', 'b']\n", done.stderr


@pytest.mark.image
def test_secret_is_on_no_command_line_of_the_cluster(cluster, settings):
    for service in ("spark-master-1", "spark-worker-1"):
        command = ["docker", "top", f"{PROJECT}-{service}", "-eo", "pid,args"]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        assert "org.apache.spark.deploy" in done.stdout
        assert settings["SPARK_AUTH_SECRET"] not in done.stdout
