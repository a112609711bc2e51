"""StageOperator: its pure parts, and a stage of the tests' own in real containers."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from airflow.sdk import RetryAction
from airflow.sdk.exceptions import AirflowException, AirflowTaskTimeout
from docker import APIClient
from docker.errors import APIError

import contracts
import stage_operator
from stage_operator import (
    RetryByCause,
    StageFailed,
    StageOperator,
    last_summary,
    printable,
    whole_lines,
)

# docker-py closes the sockets of its streams when they are collected, not before.
pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
    pytest.mark.filterwarnings(
        "ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning"
    ),
]

IMAGES = Path(__file__).resolve().parents[2] / "images"
CONTRACT = """
summary = "Does what its parameter says."
network = "none"

[parameters.do]
type = "string"
default = "finish"
help = "what to do"

[resources]
queue = "small"
memory = "96m"
cpus = 0.5
pids = 40
timeout_seconds = 600
"""
WORK = """
import os
import signal
import sys
import time

from stage import StageError


def run(run):
    word, _, value = run.parameters["do"].partition(":")
    return globals()[word](value)


def finish(value):
    print("Größe 中文", flush=True)
    return {"rows": 3}


def refuse(value):
    raise StageError(int(value), f"refused with {value}")


def crash(value):
    raise RuntimeError("made to fail")


def leave(value):
    os._exit(int(value))


def noise(value):
    for piece in (b"bar\\r\\x1b[31mred\\x00 gr\\xc3", b"\\xbcn"):
        sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
        time.sleep(0.2)
    os._exit(9)


def hog(value):
    hold = [bytearray(b"x") * 2**20 for _ in range(512)]


def kill(value):
    os.kill(os.getpid(), signal.SIGKILL)


def wait(value):
    time.sleep(600)


def quiet(value):
    time.sleep(3)
    return {"rows": 4}


def last(value):
    for second in range(int(value)):
        print("second", second, flush=True)
        time.sleep(1)
    return {"rows": int(value)}


def ignore(value):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    open("/shared_volume/deaf", "w").close()
    time.sleep(600)
"""


def docker(*arguments: str) -> str:
    return subprocess.run(
        ["docker", *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()


# Pure parts


@pytest.mark.parametrize(
    "lines",
    [
        [],
        ["no json"],
        ["[1, 2]"],
        ["null"],
        ['{"stage":"other","status":"done"}'],
        ['{"stage":"probe","status":"done"}', "a word after it"],
    ],
)
def test_output_without_the_stages_summary_as_last_line_has_none(lines):
    assert last_summary(lines, "probe") is None


def test_summary_is_the_last_line():
    line = '{"stage":"probe","metrics":{"rows":3},"error":null}'
    assert last_summary(["log", line], "probe") == json.loads(line)


def test_lines_are_whole_wherever_the_stream_is_cut():
    text = "eins\nGröße 中文\r\n\nEnde ohne Zeilenende"
    for width in range(1, 9):
        data = text.encode()
        chunks = [data[start : start + width] for start in range(0, len(data), width)]
        lines = ["eins\n", "Größe 中文\r\n", "\n", "Ende ohne Zeilenende"]
        assert list(whole_lines(chunks)) == lines


def test_bytes_that_are_no_utf8_are_replaced():
    assert list(whole_lines([b"caf\xe9\n"])) == ["caf\ufffd\n"]


def test_message_has_no_control_character_and_no_endless_line():
    assert printable("a\x1b[31m\x00b\tc") == "a [31m b c"
    assert len(printable("x" * 10**6)) == 500


@pytest.fixture
def task() -> StageOperator:
    return StageOperator(stage="build_model")


def failure(**known: Any) -> StageFailed:
    given = {"cause": "c", "message": "m", "advice": "a", "retried": False}
    return StageFailed(**given | known)


@pytest.mark.parametrize(
    ("error", "action"),
    [
        (failure(retried=False), RetryAction.FAIL),
        (failure(retried=True), RetryAction.DEFAULT),
        (ValueError("any other"), RetryAction.DEFAULT),
    ],
)
def test_only_a_cause_that_is_not_retried_fails_at_once(error, action):
    assert RetryByCause().evaluate(error, 1, 2).action == action


def api_error(status: int, text: str) -> APIError:
    response = requests.Response()
    response.status_code = status
    return APIError("error", response, text)


@pytest.mark.parametrize(
    ("error", "cause", "words"),
    [
        (failure(cause="data refused"), "data refused", "m"),
        (AirflowTaskTimeout("x"), "timed out", "after 3600 seconds"),
        (api_error(404, "no such network"), "Docker refused", "no such network"),
        (api_error(503, "no engine"), "Docker unreachable", "no engine"),
        (ConnectionError("gone"), "Docker unreachable", "gone"),
        (
            AirflowException("Failed to establish connection to any given Docker hosts."),
            "Docker unreachable",
            "does not answer",
        ),
        (KeyError("bug"), "crashed", "KeyError: 'bug'"),
    ],
)
def test_each_error_is_explained_by_a_cause(task, error, cause, words):
    explained = task.explain(error)
    assert explained.cause == cause
    assert words in explained.message
    assert explained.advice
    assert str(explained) == f"{cause}: {explained.message}"


def test_command_by_hand_quotes_what_a_shell_would_take_apart(task, monkeypatch):
    monkeypatch.setattr(task, "command", ["--run-id=r", "--source=it's $HOME; x"])
    words = shlex.split(task.by_hand("/a b/$c", {"A": "1 2"}))
    assert "--mount=type=bind,source=/a b/$c,target=/shared_volume" in words
    assert words[-2:] == ["--run-id=r", "--source=it's $HOME; x"]
    assert "--env=A=1 2" in words


@pytest.fixture
def spark_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """What .env gives the scheduler for the stages that ask for it, and what it gives no stage."""
    monkeypatch.setenv("SPARK_MASTER", "spark://spark-master:7077")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "never told")
    monkeypatch.setenv("S3_ENDPOINT", "")
    monkeypatch.setenv("SMTP_PASSWORD", "not asked for")


def test_container_gets_the_settings_that_its_contract_asks_for(spark_settings, task):
    environment = StageOperator(stage="build_model_spark").environment_of_stage()
    assert environment == {
        "OMP_NUM_THREADS": "2",
        "SPARK_MASTER": "spark://spark-master:7077",
        "AWS_SECRET_ACCESS_KEY": "never told",
    }
    assert set(task.environment_of_stage()) == {"OMP_NUM_THREADS"}


def test_command_by_hand_has_a_secrets_name_alone(spark_settings):
    task = StageOperator(stage="build_model_spark")
    words = shlex.split(task.by_hand("/volume", task.environment_of_stage()))
    assert "--env=SPARK_MASTER=spark://spark-master:7077" in words
    assert "--env=AWS_SECRET_ACCESS_KEY" in words
    assert "never told" not in " ".join(words)


def test_secret_is_no_part_of_what_airflow_keeps_of_the_task(spark_settings, dags):
    from airflow.serialization.serialized_objects import DagSerialization

    dag = dags["ml_pipeline_advertising_spark"]
    assert "never told" not in json.dumps(DagSerialization.to_dict(dag), default=str)


def test_secret_that_a_stage_prints_is_masked_in_the_log(spark_settings, monkeypatch):
    masked: list[str] = []
    monkeypatch.setattr(stage_operator, "mask_secret", masked.append)
    StageOperator(stage="build_model_spark").hide_secrets()
    assert masked == ["never told"]


@pytest.mark.parametrize(
    ("setting", "network"),
    [("", "none"), ("none", "none"), ("spark", "ad-click_spark")],
)
def test_setting_chooses_the_network(setting, network, monkeypatch):
    monkeypatch.setenv("SPARK_NETWORK", setting)
    assert StageOperator(stage="build_model_spark").network_mode == network
    assert StageOperator(stage="build_model").network_mode == "none"


def test_mails_are_told_what_the_parts_of_a_stage_found(task, volume, context):
    report = volume / "runs/manual__1/load_data/report.json"
    report.parent.mkdir(parents=True)
    report.write_text('{"status": "done", "metrics": {"rows": 3}}')
    task.note = stage_operator.TaskNote(context("train_on_spark"))
    assert task.summary_of("load_data") == {"metrics": {"rows": 3}}


def test_labels_say_whose_container_it_is(task, context, monkeypatch):
    monkeypatch.setenv("COMPOSE_PROJECT_NAME", "second")
    assert task.labels_of(context("build_model", try_number=2)) == {
        "ad-click.project": "second",
        "ad-click.stage": "build_model",
        "ad-click.dag": "dag",
        "ad-click.run": "manual__1",
        "ad-click.task": "build_model",
        "ad-click.try": "2",
    }


def test_engine_out_of_reach_is_named_and_tried_again(volume, context, execute, unused_port):
    task = StageOperator(stage="build_model", docker_url=f"tcp://127.0.0.1:{unused_port}")
    with pytest.raises(StageFailed, match="Docker unreachable: the Docker engine does not answer"):
        execute(task, context("build_model"))
    note = json.loads((volume / "runs/manual__1/build_model/task.json").read_text())
    assert (note["state"], note["cause"]) == ("up_for_retry", "Docker unreachable")
    assert note["image"] == "localhost/ad-click/build_model:latest"
    absent = ("image_id", "container_id", "exit_code", "docker_run")
    assert {note[name] for name in absent} == {None}


# A stage in real containers


class Probe:
    """Runs the tests' own stage as Airflow does, and knows what it left."""

    def __init__(self, volume: Path, context: Any, execute: Any, docker_url: str) -> None:
        self.volume, self.context, self.execute = volume, context, execute
        self.docker_url = docker_url

    def task(self, do: str, **options: Any) -> StageOperator:
        """Return the task, its templates rendered."""
        task = StageOperator(stage="probe", **{"docker_url": self.docker_url} | options)
        task.command = ["--run-id=manual__1", f"--do={do}"]
        return task

    def run(self, do: str, *, task: StageOperator | None = None, **ti: Any) -> Any:
        """Run one try; return its XCom."""
        self.tried = self.context("probe", **ti)
        return self.execute(task or self.task(do), self.tried)

    def fail(self, do: str, **options: Any) -> StageFailed:
        """Run one try that has to fail, and leave nothing behind."""
        with pytest.raises(StageFailed) as caught:
            self.run(do, **options)
        assert containers() == []
        note = self.read("task.json")
        assert (note["cause"], note["message"]) == (caught.value.cause, caught.value.message)
        pushed = self.tried["ti"].pushed["failure"]
        for name in ("cause", "message", "advice"):
            assert pushed[name] == getattr(caught.value, name)
        assert pushed["task_id"] == "probe"
        assert caught.value.advice
        return caught.value

    def read(self, name: str) -> dict[str, Any]:
        """Return a JSON file of the stage."""
        return json.loads((self.volume / "runs/manual__1/probe" / name).read_text())

    def wait_until_it_works(self) -> None:
        """Wait until the stage has begun."""
        self.wait_for("runs/manual__1/probe/progress.json")

    def wait_for(self, name: str) -> None:
        """Wait until a file is on the volume."""
        path = self.volume / name
        deadline = time.monotonic() + 120
        while not path.exists():
            assert time.monotonic() < deadline, "the stage does not start"
            time.sleep(0.05)


def containers() -> list[str]:
    label = f"label=ad-click.project={os.environ['COMPOSE_PROJECT_NAME']}"
    return docker("ps", "--all", "--quiet", "--no-trunc", "--filter", label).split()


@pytest.fixture(scope="module")
def probe_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of contracts with the tests' own stage in it."""
    folder = tmp_path_factory.mktemp("images")
    shutil.copy(IMAGES / "exit_codes.toml", folder)
    (folder / "probe").mkdir()
    (folder / "probe" / "stage.toml").write_text(CONTRACT)
    (folder / "probe" / "main.py").write_text(WORK)
    return folder


@pytest.fixture(scope="module")
def probe_image(settings: dict[str, str], probe_folder: Path) -> Iterator[None]:
    """The image of the tests' own stage, made of another stage's."""
    name = f"localhost/ad-click/probe:{settings['IMAGE_TAG']}"
    (probe_folder / "Dockerfile").write_text(
        f"FROM localhost/ad-click/start_pipeline:{settings['IMAGE_TAG']}\n"
        "COPY --chmod=755 probe /app/probe\n"
        f"USER {os.getuid()}:{os.getgid()}\n"
        'ENTRYPOINT ["python3", "/app/stage.py", "probe"]\n'
    )
    docker("buildx", "build", "--quiet", "--load", "--tag", name, str(probe_folder))
    yield
    docker("image", "rm", "--force", name)


@pytest.fixture
def probe(
    probe_image: None,
    probe_folder: Path,
    settings: dict[str, str],
    socket_url: str,
    volume: Path,
    context: Any,
    execute: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Probe]:
    monkeypatch.setattr(contracts, "IMAGES", probe_folder)
    monkeypatch.setattr(StageOperator, "volume_source", lambda task: str(volume))
    monkeypatch.setenv("IMAGE_TAG", settings["IMAGE_TAG"])
    monkeypatch.setenv("COMPOSE_PROJECT_NAME", f"ad-click-unit-{os.getpid()}")
    yield Probe(volume, context, execute, socket_url)
    for left in containers():
        docker("rm", "--force", left)
    gc.collect()


@pytest.mark.image
def test_success_returns_the_summary_and_leaves_no_container(probe):
    summary = probe.run("finish")
    assert (summary["status"], summary["metrics"]) == ("done", {"rows": 3})
    note = probe.read("task.json")
    assert (note["state"], note["exit_code"], note["cause"]) == ("success", 0, None)
    assert note["oom_killed"] is False
    assert "Größe 中文" in note["log_tail"]
    assert containers() == []


@pytest.mark.image
def test_task_asks_the_engine_no_more_than_it_has_to(probe, monkeypatch):
    calls: list[str] = []
    send = APIClient.send

    def count(client: APIClient, request: Any, **known: Any) -> Any:
        path = re.sub(r"\?.*|/v1\.\d+", "", request.path_url)
        calls.append(f"{request.method} {re.sub(r'/[0-9a-f]{64}', '/ID', path)}")
        return send(client, request, **known)

    monkeypatch.setattr(APIClient, "send", count)
    probe.run("finish")
    # One more in Airflow's container, whose own mounts are looked at; here the volume is given.
    assert calls == [
        "GET /version",
        "GET /_ping",
        "GET /containers/json",
        "POST /containers/create",
        "GET /containers/ID/json",
        "POST /containers/ID/start",
        "GET /containers/ID/logs",
        "GET /containers/ID/json",  # docker-py's own, which looks for a terminal
        "GET /containers/ID/json",
        "DELETE /containers/ID",
    ]


@pytest.mark.image
def test_command_of_the_note_runs_the_stage_again_with_the_same_limits(probe):
    probe.run("finish")
    (probe.volume / "runs/manual__1/probe/report.json").unlink()
    subprocess.run(["bash", "-c", probe.read("task.json")["docker_run"]], check=True)
    assert probe.read("report.json")["status"] == "done"


@pytest.mark.image
def test_metrics_go_to_the_event_of_the_outlet(probe):
    from airflow.sdk import Asset

    asset = Asset("model", uri="file://model")
    task = probe.task("finish", outlets=[asset])
    context = probe.context("probe")
    context["outlet_events"][asset] = SimpleNamespace(extra={})
    probe.execute(task, context)
    assert context["outlet_events"][asset].extra == {"rows": 3}


@pytest.mark.image
def test_limits_and_walls_are_really_there(probe):
    task, context = probe.task("wait"), probe.context("probe")
    task.note = stage_operator.TaskNote(context)
    task.container = task.create(context)
    (container,) = json.loads(docker("inspect", task.container["Id"]))
    host = container["HostConfig"]
    assert task.state_of_container()["Status"] == "created"
    task.remove()
    assert host["Memory"] == 96 * 2**20
    assert host["MemorySwap"] == 96 * 2**20
    assert host["NanoCpus"] == 500_000_000
    assert host["PidsLimit"] == 40
    assert host["Init"] is True
    assert host["ReadonlyRootfs"] is True
    assert host["CapDrop"] == ["ALL"]
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert host["NetworkMode"] == "none"
    assert host["LogConfig"]["Config"]["max-size"] == "10m"
    assert set(host["Tmpfs"]) == {"/tmp"}
    (mount,) = container["Mounts"]
    assert mount["Source"] == str(probe.volume)
    assert mount["Destination"] == "/shared_volume"
    assert container["Config"]["Labels"].items() >= task.labels_of(context).items()
    assert "OMP_NUM_THREADS=1" in container["Config"]["Env"]
    assert probe.read("task.json")["image_id"] == container["Image"]
    assert containers() == []


@pytest.mark.image
@pytest.mark.parametrize(
    ("code", "cause", "retried"),
    [
        (2, "bad command line", False),
        (65, "data refused", False),
        (66, "input missing", False),
        (73, "output cannot be written", True),
        (80, "quality gate missed", False),
    ],
)
def test_exit_code_is_its_cause(probe, code, cause, retried):
    failed = probe.fail(f"refuse:{code}")
    assert (failed.cause, failed.retried, failed.exit_code) == (cause, retried, code)
    assert failed.message == f"refused with {code}"
    assert probe.read("task.json")["state"] == ("up_for_retry" if retried else "failed")
    assert probe.read("task.json")["exit_code"] == code


@pytest.mark.image
def test_crash_is_tried_again_and_then_final(probe):
    failed = probe.fail("crash")
    assert (failed.cause, failed.retried, failed.exit_code) == ("crashed", True, 70)
    assert "made to fail" in failed.message
    assert probe.read("task.json")["state"] == "up_for_retry"
    assert any("Traceback" in line for line in probe.read("task.json")["log_tail"])
    probe.fail("crash", try_number=3)
    assert probe.read("task.json")["state"] == "failed"


@pytest.mark.image
def test_end_that_looks_well_but_leaves_no_summary_breaks_the_contract(probe):
    failed = probe.fail("leave:0")
    assert (failed.cause, failed.retried, failed.exit_code) == ("contract broken", False, 0)


@pytest.mark.image
@pytest.mark.parametrize("code", [3, 139])
def test_end_without_a_summary_and_with_an_unknown_exit_code_is_a_crash(probe, code):
    failed = probe.fail(f"leave:{code}")
    assert (failed.cause, failed.retried, failed.exit_code) == ("crashed", True, code)
    assert f"exit code {code} and no summary" in failed.message


@pytest.mark.image
def test_last_words_that_are_not_for_reading_are_made_readable(probe):
    failed = probe.fail("noise")
    assert failed.message.endswith("its last line: bar  [31mred  grün")


@pytest.mark.image
def test_too_much_memory_names_the_limit_and_is_not_tried_again(probe):
    failed = probe.fail("hog")
    assert (failed.cause, failed.retried) == ("out of memory", False)
    assert failed.message == "probe needed more than its limit of 96m"
    assert probe.read("task.json")["oom_killed"] is True


@pytest.mark.image
def test_kill_that_is_not_for_memory_is_a_stop(probe):
    failed = probe.fail("kill")
    assert (failed.cause, failed.retried, failed.exit_code) == ("stopped", True, 137)
    assert probe.read("task.json")["oom_killed"] is False


@contextlib.contextmanager
def while_it_works(probe: Probe, act: Callable[[], object]) -> Iterator[None]:
    """Act as soon as the stage works."""

    def wait_and_act() -> None:
        probe.wait_until_it_works()
        act()

    thread = threading.Thread(target=wait_and_act)
    thread.start()
    yield
    thread.join()


@contextlib.contextmanager
def on_signal(number: signal.Signals, act: Callable[[], object]) -> Iterator[Callable[[], None]]:
    """Act on a signal, as the task runner's handlers do; gives what sends it."""
    former = signal.signal(number, lambda *_: act())
    yield lambda: os.kill(os.getpid(), number)
    signal.signal(number, former)


def raise_timeout() -> None:
    raise AirflowTaskTimeout("Timeout")


@pytest.mark.image
def test_container_that_a_person_stops_is_tried_again(probe):
    with while_it_works(probe, lambda: docker("stop", *containers())):
        failed = probe.fail("wait")
    assert (failed.cause, failed.exit_code) == ("stopped", 143)
    assert probe.read("task.json")["state"] == "up_for_retry"


@pytest.mark.image
@pytest.mark.parametrize(("do", "exit_code"), [("wait", 143), ("ignore", 137)])
def test_stop_by_airflow_is_final_even_if_the_stage_is_deaf(probe, do, exit_code):
    task = probe.task(do)
    with on_signal(signal.SIGTERM, task.on_kill) as terminate:

        def terminate_it() -> None:
            if do == "ignore":
                probe.wait_for("deaf")
            terminate()

        with while_it_works(probe, terminate_it):
            failed = probe.fail(do, task=task)
    assert (failed.cause, failed.exit_code) == ("stopped", exit_code)
    assert probe.read("task.json")["state"] == "failed"


@pytest.mark.image
def test_stop_before_there_is_a_container_stops_it_once_there_is(probe):
    task = probe.task("wait")
    task.on_kill()
    assert probe.fail("wait", task=task).cause == "stopped"


@pytest.mark.image
def test_stop_after_the_container_is_gone_does_nothing(probe):
    task = probe.task("finish")
    probe.run("finish", task=task)
    task.on_kill()
    task.container = {"Id": "0" * 64}
    task.on_kill()


@pytest.mark.image
def test_timeout_lets_the_stage_end_cleanly_and_names_the_limit(probe):
    with (
        on_signal(signal.SIGALRM, raise_timeout) as ring,
        while_it_works(probe, ring),
    ):
        failed = probe.fail("wait")
    assert (failed.cause, failed.retried) == ("timed out", True)
    assert failed.message == "probe was stopped after 600 seconds"
    assert probe.read("report.json")["error"]["cause"] == "stopped"
    names = {path.name for path in (probe.volume / "runs/manual__1/probe").iterdir()}
    assert names == {"report.json", "task.json"}
    # What it says when it is asked to end is heard too.
    last_words = json.loads(probe.read("task.json")["log_tail"][-1])
    assert last_words["error"]["cause"] == "stopped"
    assert containers() == []


@pytest.mark.image
def test_timeout_before_the_container_starts_leaves_none(probe, monkeypatch):
    def ring(*_: object) -> None:
        raise AirflowTaskTimeout("Timeout")

    monkeypatch.setattr(APIClient, "start", ring)
    assert probe.fail("finish").cause == "timed out"
    assert probe.read("task.json")["log_tail"] == []
    assert containers() == []


@pytest.mark.image
def test_stage_may_be_silent_longer_than_the_engine_may_take_to_answer(probe):
    assert probe.run("quiet", task=probe.task("quiet", timeout=1))["metrics"] == {"rows": 4}


@pytest.mark.image
def test_missing_image_is_named_and_never_pulled(probe):
    task = probe.task("finish")
    task.image = "localhost/ad-click/none:1"
    failed = probe.fail("finish", task=task)
    assert (failed.cause, failed.retried) == ("image missing", False)
    assert "localhost/ad-click/none:1" in failed.message
    assert failed.advice == "Build it with: make images; that of build_model_spark with: make spark"


@pytest.mark.image
def test_network_that_is_not_there_is_the_engines_refusal(probe):
    task = probe.task("finish")
    task.network_mode = "ad-click-no-such-network"
    failed = probe.fail("finish", task=task)
    assert (failed.cause, failed.retried) == ("Docker refused", True)
    assert "ad-click-no-such-network" in failed.message


@pytest.mark.image
def test_mount_whose_source_is_gone_is_the_engines_refusal(probe, monkeypatch):
    monkeypatch.setattr(StageOperator, "volume_source", lambda task: "/no such folder")
    assert probe.fail("finish").cause == "Docker refused"
    assert "/no such folder" in probe.read("task.json")["docker_run"]


def seconds_of(log: str) -> list[int]:
    """Return the numbers that the stage `last` printed, as the task's log has them."""
    return [int(number) for number in re.findall(r"\] second (\d+)", log)]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """An operator that does not wait long for an engine."""
    monkeypatch.setattr(stage_operator, "PATIENCE_SECONDS", 1)


@pytest.mark.drill
@pytest.mark.image
@pytest.mark.usefixtures("impatient")
def test_engine_that_stays_away_is_named_and_the_next_try_has_the_container(probe, make_relay):
    """The connection to the engine is cut while a stage works, until the try gives up."""
    relay = make_relay()
    task = probe.task("last:6", docker_url=relay.url)
    with while_it_works(probe, relay.break_off), pytest.raises(StageFailed) as caught:
        probe.run("last:6", task=task)
    assert caught.value.cause == "Docker unreachable"
    assert probe.read("task.json")["state"] == "up_for_retry"
    (left,) = containers()
    assert probe.run("last:6", try_number=2)["metrics"] == {"rows": 6}
    assert probe.read("task.json")["container_id"] == left
    assert containers() == []


@pytest.mark.drill
@pytest.mark.image
def test_broken_connection_is_made_again_and_no_line_is_lost_or_told_twice(
    probe, make_relay, capsys
):
    """The connection to the engine is cut in a stage's output, and is back after 2 s."""
    relay = make_relay()
    later = []

    def break_and_mend() -> None:
        relay.break_off()
        time.sleep(2)
        later.append(make_relay(relay.port))

    task = probe.task("last:6", docker_url=relay.url)
    with while_it_works(probe, break_and_mend):
        assert probe.run("last:6", task=task)["metrics"] == {"rows": 6}
    told = capsys.readouterr().out
    assert seconds_of(told) == list(range(6))
    assert "does not answer" in told
    assert later
    assert containers() == []


# Tries that are killed, as a crash of Airflow does


@pytest.fixture
def killed(probe: Probe, probe_folder: Path, settings: dict[str, str]) -> Callable[..., None]:
    """Runs a try of the stage in a process that is killed with SIGKILL at a point."""

    def run(do: str, point: str, try_number: int = 1) -> None:
        script = Path(__file__).with_name("killed_try.py")
        done = subprocess.run(
            [
                *(sys.executable, str(script), do, point, str(try_number)),
                *(str(probe_folder), str(probe.volume), probe.docker_url),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == -signal.SIGKILL, done.stderr
        note = probe.read("task.json")
        assert (note["state"], note["try_number"]) == ("running", try_number)

    return run


@pytest.mark.drill
@pytest.mark.image
@pytest.mark.parametrize("point", ["created", "starting", "started", "output"])
def test_try_killed_at_any_point_is_taken_up_by_the_next_with_the_one_container(
    probe, killed, point, capsys
):
    """SIGKILL of a task's process: its container created, to be started, started, at work."""
    killed("last:3", point)
    (left,) = containers()
    assert probe.run("last:3", try_number=2)["metrics"] == {"rows": 3}
    assert seconds_of(capsys.readouterr().out) == [0, 1, 2]
    note = probe.read("task.json")
    assert (note["container_id"], note["state"], note["exit_code"]) == (left, "success", 0)
    assert note["docker_run"]
    assert note["image_id"]
    assert [(t["try_number"], t["cause"]) for t in note["tries"]] == [(1, "lost")]
    assert containers() == []


@pytest.mark.drill
@pytest.mark.image
def test_result_that_a_killed_try_did_not_hear_is_the_next_ones(probe, killed):
    """SIGKILL of a task's process; its container ends with a refusal before the next try."""
    killed("refuse:65", "starting")
    (left,) = containers()
    docker("start", left)
    docker("wait", left)
    failed = probe.fail("refuse:65", try_number=2)
    assert (failed.cause, failed.message) == ("data refused", "refused with 65")
    assert probe.read("task.json")["container_id"] == left


@pytest.mark.drill
@pytest.mark.image
@pytest.mark.parametrize("end", ["stop", "kill"])
def test_container_that_was_stopped_meanwhile_is_replaced(probe, killed, end):
    """SIGKILL of a task's process, then its container is stopped or killed."""
    killed("last:2", "started")
    (left,) = containers()
    docker(end, left)
    assert probe.run("last:2", try_number=2)["metrics"] == {"rows": 2}
    assert probe.read("task.json")["container_id"] != left
    assert containers() == []


@pytest.mark.drill
@pytest.mark.image
def test_container_of_other_work_is_replaced(probe, killed):
    """SIGKILL of a task's process; the next try is told to do something else."""
    killed("wait", "started")
    (left,) = containers()
    assert probe.run("finish", try_number=2)["metrics"] == {"rows": 3}
    assert probe.read("task.json")["container_id"] != left
    assert containers() == []


@pytest.mark.drill
@pytest.mark.image
def test_container_that_a_failed_try_left_is_replaced(probe, killed):
    """A try that ended as failed leaves its container."""
    killed("last:2", "started")
    (left,) = containers()
    note = probe.volume / "runs/manual__1/probe/task.json"
    content = json.loads(note.read_text()) | {"state": "up_for_retry", "cause": "timed out"}
    note.write_text(json.dumps(content))
    assert probe.run("last:2", try_number=2)["metrics"] == {"rows": 2}
    assert probe.read("task.json")["container_id"] != left


def time_out(task: StageOperator) -> None:
    task.hear_out(deque())


@pytest.mark.drill
@pytest.mark.image
@pytest.mark.parametrize("end", [StageOperator.on_kill, time_out], ids=["stopped", "timed out"])
def test_try_that_airflow_lost_sight_of_leaves_the_container_to_the_next(probe, end):
    """The process of a try lives on while the next try works, and is stopped late."""
    first = probe.task("last:4")
    outcome: dict[str, Any] = {}

    def run_first() -> None:
        try:
            outcome["first"] = probe.execute(first, probe.context("probe"))
        except StageFailed as error:
            outcome["first"] = error

    thread = threading.Thread(target=run_first)
    thread.start()
    probe.wait_until_it_works()
    (left,) = containers()
    # The second try begins; then the first ends.
    with while_it_works(probe, lambda: (time.sleep(1), end(first))):
        assert probe.run("last:4", try_number=2)["metrics"] == {"rows": 4}
    thread.join()
    note = probe.read("task.json")
    assert (note["try_number"], note["state"], note["container_id"]) == (2, "success", left)
    assert containers() == []


IN_CONTAINER = """
import sys
sys.path.insert(0, "plugins")
from stage_operator import StageOperator
print("SOURCE", StageOperator(stage="build_model").volume_source())
"""


def run_in_airflow_image(settings: dict[str, str], *options: str) -> subprocess.CompletedProcess:
    socket_path = settings.get("DOCKER_SOCKET") or "/var/run/docker.sock"
    return subprocess.run(
        [
            *("docker", "run", "--rm", "--user=0:0", "--entrypoint=python3"),
            f"--volume={socket_path}:/var/run/docker.sock",
            *options,
            f"localhost/ad-click/airflow:{settings['IMAGE_TAG']}",
            *("-c", IN_CONTAINER),
        ],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.image
def test_operator_finds_the_hosts_side_of_its_own_volume(settings, tmp_path):
    done = run_in_airflow_image(settings, f"--volume={tmp_path}:/shared_volume")
    assert f"SOURCE {tmp_path}" in done.stdout.splitlines(), done.stderr


@pytest.mark.image
def test_volume_that_is_not_mounted_is_named(settings):
    done = run_in_airflow_image(settings)
    assert "volume not mounted: the container that runs the tasks has no mount" in done.stderr
