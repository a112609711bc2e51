"""The pipeline on a machine of its own, whose Docker engine ends and starts again under a run."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import ROOT, Stack, dag_is_there, docker, replaced_work
from tests.drills.held_run import SLOW, Drill, assert_green
from tests.drills.machine import Machine, why_not

pytestmark = [pytest.mark.drill, pytest.mark.image]

# What `make up` does once the images are there: here they come from the other engine.
UP = """
source scripts/settings.sh
source scripts/compose.sh
load_settings "$ENV_FILE"
compose up --detach --wait --quiet-pull
"""


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    """A machine inside this one; what the tests and their children ask of Docker, they ask it."""
    if reason := why_not():
        # Under CI a test that is left out would look like one that passed.
        root_in_ci = os.environ.get("CI") and os.geteuid() == 0
        (pytest.fail if root_in_ci else pytest.skip)(reason)
    (ROOT / ".test").mkdir(exist_ok=True)
    # The checkout's disk has room for the images; /tmp may be memory.
    disk = Path(tempfile.mkdtemp(prefix="machine-", dir=ROOT / ".test"))
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        machine = Machine(Path(folder), disk)
        try:
            machine.boot()
            patch.setenv("DOCKER_HOST", f"unix://{machine.socket}")
            yield machine
        finally:
            machine.scrap()


def copy_images(settings: dict[str, str], machine: Machine) -> None:
    """Give the machine's engine the images that the tests are about, each layer once."""
    here = {name: value for name, value in os.environ.items() if name != "DOCKER_HOST"}
    mine = f"localhost/ad-click/*:{settings['IMAGE_TAG']}"
    listed = ["docker", "image", "ls", "--format={{.Repository}}:{{.Tag}}", mine]
    names = subprocess.run(listed, env=here, capture_output=True, text=True, check=True).stdout
    command = ["docker", "save", *names.split(), settings["POSTGRES_IMAGE"]]
    with subprocess.Popen(command, env=here, stdout=subprocess.PIPE) as save:
        subprocess.run(["docker", "load", "--quiet"], stdin=save.stdout, check=True)
    assert save.returncode == 0


def bash(script: str, environment: dict[str, str]) -> None:
    command = ["bash", "-euo", "pipefail", "-c", script]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def stack_in_there(
    settings: dict[str, str], machine: Machine, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """A stack on that machine, with settings, volume and a slow build_model of its own."""
    copy_images(settings, machine)
    folder = tmp_path_factory.mktemp("stack")
    own = {
        "ENV_FILE": str(folder / "env"),
        "COMPOSE_PROJECT_NAME": f"{settings['COMPOSE_PROJECT_NAME']}-machine",
        "SHARED_VOLUME": str(folder / "volume"),
        "DOCKER_SOCKET": str(machine.socket),
    }
    own |= {name: settings[name] for name in ("IMAGE_TAG", "BASE_IMAGE", "POSTGRES_IMAGE")}
    environment = {**os.environ, **own}
    bash("scripts/env.sh", environment)
    with replaced_work(settings, "build_model", SLOW):
        bash(UP, environment)
        lines = Path(own["ENV_FILE"]).read_text().splitlines()
        stack = Stack(dict(line.split("=", 1) for line in lines if line and line[0] != "#"))
        stack.log_in(stack.settings["AIRFLOW_ADMIN_USER"], stack.settings["AIRFLOW_ADMIN_PASSWORD"])
        stack.until(lambda: str(dag_is_there(stack)), {"True"})
        yield stack


@pytest.fixture
def drill(stack_in_there: Stack) -> Iterator[Drill]:
    drill = Drill(stack_in_there)
    yield drill
    drill.go.unlink(missing_ok=True)


def assert_all_well(drill: Drill) -> None:
    """Every service is healthy again, the model is published, one mail is sent."""
    project = drill.stack.settings["COMPOSE_PROJECT_NAME"]
    mine = f"label=com.docker.compose.project={project}"
    told = '{{.Label "com.docker.compose.service"}}'
    there = docker("ps", "--all", "--filter", mine, "--format", told)
    services = set(there.split()) - {"airflow-init"}
    assert {"airflow-scheduler", "postgres", "monitor", "predictor"} < services
    healthy = ("ps", "--filter", mine, "--filter", "health=healthy", "--quiet")
    drill.until(lambda: len(docker(*healthy).split()) == len(services))
    summary = json.loads(drill.stack.published()["model_summary.json"])
    own = drill.stack.read_json(drill.run_id, "model_summary/model_summary.json")
    assert summary["run_id"] == (own["same_as"] or drill.run_id)
    assert len(drill.stack.mails(drill.run_id)) == 1
    status, _ = drill.stack.monitor(f"/runs/{drill.run_id}")
    assert status == 200


def works(drill: Drill, try_number: int) -> bool:
    """Tell whether a try has a container of its own that works."""
    note = drill.note()
    made = note["try_number"] == try_number and note["container_id"] is not None
    return made and drill.words in docker("logs", note["container_id"])


def test_engine_that_keeps_containers_restarted_mid_stage_costs_no_try(drill, machine):
    """With live-restore the engine is stopped and started while build_model works."""
    drill.start()
    with machine.keeping_containers():
        machine.stop()
        machine.start_engine()
        drill.go_on()
        assert_green(drill)
    assert_all_well(drill)


def test_engine_restarted_mid_stage_the_services_come_back_and_the_run_goes_on(
    drill, machine, times
):
    """The engine is stopped, then killed, then cut off with all its machine under build_model."""
    drill.start()
    ends = (machine.stop, machine.kill, machine.cut_power)
    begins = (machine.start_engine, machine.start_engine, machine.boot)
    for lost, (end, begin) in enumerate(zip(ends, begins, strict=True), start=1):
        end()
        begin()
        drill.until(lambda lost=lost: works(drill, lost + 1))
    times(len(ends))
    drill.go_on()
    assert drill.end() == "success", drill.stack.tasks(drill.run_id)
    # Airflow ends with the engine, most often before it hears how the stage ended.
    causes = [entry["cause"] for entry in drill.note()["tries"]]
    assert len(causes) == len(ends)
    assert set(causes) <= {"lost", "stopped"}
    assert drill.stack.containers() == []
    assert_all_well(drill)
