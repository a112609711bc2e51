"""Two hosts with one volume, which each mounts for itself: nothing is torn, lost or done twice."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.images.conftest import IMAGES, Volume

import lease
from model_summary import publish as publishing
from model_summary.history import read_history

CONTRACT = """
summary = "A stage that works until it is told to end."
reusable = {reusable}
[outputs."made.txt"]
help = "what it made"
[parameters.text]
type = "string"
default = "x"
help = "what to make"
[resources]
memory = "64m"
cpus = 1.0
pids = 16
timeout_seconds = 60
"""
WORK = """
import sys
def run(run):
    run.output("made.txt").write_text(run.parameters["text"])
    print("working", flush=True)
    sys.stdin.readline()
    return {}
"""
# Publishes what a folder holds, so many times; without a folder it rolls back.
PUBLISHER = """
import contextlib, sys
from pathlib import Path
from model_summary.publish import locked, publish, roll_back
from stage import StageError
model, made, times = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
for _ in range(times):
    with locked(model):
        print("locked", flush=True)
        if len(sys.argv) > 4:
            sys.stdin.readline()
        if made:
            publish(model, {path.name: path for path in Path(made).iterdir()})
        else:
            with contextlib.suppress(StageError):  # there is none before
                roll_back(model)
"""


class Host:
    """A stage on a volume as one of the hosts mounts it."""

    def __init__(self, mount: Path, images: Path) -> None:
        self.volume = Volume(mount)
        self.images = images

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        words = ("--run-id", "demo", *arguments)
        return self.volume.start("toy", *words, images=self.images, stdin=subprocess.PIPE)

    def end(self, process: subprocess.Popen[str]):
        """Tell a stage to end, which it may have done by itself."""
        return self.volume.end(process, "toy")


@pytest.fixture
def hosts(two_mounts, tmp_path, monkeypatch) -> tuple[Host, Host]:
    monkeypatch.setenv("LEASE_STALE_SECONDS", "3")
    images = tmp_path / "app"
    (images / "toy").mkdir(parents=True)
    for name in ("stage.py", "lease.py", "reuse.py", "exit_codes.toml"):
        shutil.copyfile(IMAGES / name, images / name)
    (images / "toy" / "stage.toml").write_text(CONTRACT.format(reusable="false"))
    (images / "toy" / "main.py").write_text(WORK)
    return Host(two_mounts[0], images), Host(two_mounts[1], images)


@pytest.fixture
def folder(tmp_path) -> Path:
    """The stage's folder as the server has it."""
    return tmp_path / "shared_volume" / "runs" / "demo" / "toy"


def until(process: subprocess.Popen[str], word: str) -> str:
    """Return the first line that holds a word."""
    while word not in (line := process.stdout.readline()):
        assert line, f"it ended and did not say {word!r}"
    return line


def report(folder: Path):
    return json.loads((folder / "report.json").read_text())


# One stage of one run


def test_second_container_of_a_stage_waits_and_then_makes_its_outputs_anew(hosts, folder):
    first = hosts[0].start("--text", "first")
    until(first, "working")
    second = hosts[1].start("--text", "second")
    assert f"which works in {hosts[1].volume.folder('toy')}" in until(second, "waiting for process")
    assert len(list(folder.glob(".scratch-*"))) == 1
    assert hosts[0].end(first).code == 0
    until(second, "working")
    assert hosts[1].end(second).code == 0
    assert report(folder)["parameters"] == {"text": "second"}
    assert {path.name: path.read_text() for path in folder.glob("made*")} == {"made.txt": "second"}
    assert sorted(path.name for path in folder.iterdir()) == ["made.txt", "report.json"]


def test_second_container_takes_over_what_the_first_one_made(hosts, folder):
    (hosts[0].images / "toy" / "stage.toml").write_text(CONTRACT.format(reusable="true"))
    first = hosts[0].start()
    until(first, "working")
    second = hosts[1].start()
    until(second, "waiting for process")
    assert hosts[0].end(first).report["status"] == "done"
    assert hosts[1].end(second).report["status"] == "up to date"
    assert report(folder)["taken_from"] == "demo"


def test_frozen_container_that_wakes_up_beside_the_next_one_ends_and_changes_nothing(hosts, folder):
    first = hosts[0].start("--text", "first")
    until(first, "working")
    first.send_signal(signal.SIGSTOP)
    second = hosts[1].start("--text", "second")
    until(second, "working")
    first.send_signal(signal.SIGCONT)
    ended = hosts[0].end(first)
    assert ended.code == 70
    assert ended.message.startswith(f"process {second.pid} of host {os.uname().nodename} took over")
    assert len(list(folder.glob(".scratch-*"))) == 1
    assert not (folder / "report.json").exists()
    assert hosts[1].end(second).code == 0
    assert (report(folder)["status"], (folder / "made.txt").read_text()) == ("done", "second")


def test_frozen_container_that_wakes_up_after_the_next_one_ends_and_changes_nothing(hosts, folder):
    first = hosts[0].start("--text", "first")
    until(first, "working")
    first.send_signal(signal.SIGSTOP)
    second = hosts[1].start("--text", "second")
    until(second, "working")
    assert hosts[1].end(second).code == 0
    first.send_signal(signal.SIGCONT)
    ended = hosts[0].end(first)
    assert (ended.code, "others may work there" in ended.message) == (70, True)
    assert (report(folder)["status"], (folder / "made.txt").read_text()) == ("done", "second")
    assert sorted(path.name for path in folder.iterdir()) == ["made.txt", "report.json"]


def test_killed_container_is_followed_on_another_host(hosts, folder):
    first = hosts[0].start("--text", "first")
    until(first, "working")
    first.kill()
    assert hosts[0].end(first).code == -9
    second = hosts[1].start("--text", "second")
    until(second, "working")
    assert hosts[1].end(second).code == 0
    assert sorted(path.name for path in folder.iterdir()) == ["made.txt", "report.json"]


def test_waiting_container_that_is_stopped_leaves_the_working_one_alone(hosts, folder):
    first = hosts[0].start()
    until(first, "working")
    second = hosts[1].start()
    until(second, "waiting for process")
    second.send_signal(signal.SIGTERM)
    ended = hosts[1].end(second)
    assert (ended.code, ended.report) == (143, None)
    assert ended.message == "stopped by SIGTERM before it was done"
    assert hosts[0].end(first).code == 0
    assert (report(folder)["status"], (folder / "made.txt").exists()) == ("done", True)


def test_bad_command_line_leaves_no_report_where_another_works(hosts, folder):
    first = hosts[0].start()
    until(first, "working")
    refused = hosts[1].end(hosts[1].start("--txt", "x"))
    assert (refused.code, refused.summary["run_id"], refused.report) == (2, "demo", None)
    assert hosts[0].end(first).report["status"] == "done"


def test_stage_whose_run_is_removed_ends_in_a_sentence(hosts, folder):
    first = hosts[0].start()
    until(first, "working")
    folder.parent.rename(folder.parent.with_name("elsewhere"))
    ended = hosts[0].end(first)
    assert (ended.code, ended.report) == (70, None)
    assert "was removed, so that others may work there; this process ends" in ended.message
    assert not folder.exists()


# Publishing


@pytest.fixture
def publisher(tmp_path) -> Iterator:
    """Start processes that publish what they made, or roll back."""
    started = []

    def start(mount: Path, text: str, times: int, *wait: str) -> subprocess.Popen[str]:
        made = tmp_path / text
        if text:
            made.mkdir()
            summary = {"run_id": text, "text": text, "model": {"sha256": text}, "reason": "r"}
            (made / publishing.SUMMARY).write_text(json.dumps(summary))
            (made / "model.pkl").write_text(text)
        words = (str(mount / "model"), str(made) if text else "", str(times), *wait)
        environment = {"PYTHONPATH": str(IMAGES), "LEASE_STALE_SECONDS": "2"}
        started.append(
            subprocess.Popen(
                [sys.executable, "-c", PUBLISHER, *words],
                env={**os.environ, **environment},
                text=True,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        )
        return started[-1]

    yield start
    for process in started:
        process.kill()
        with contextlib.suppress(ValueError):
            process.communicate()


def test_many_that_publish_and_roll_back_at_once_do_so_one_after_the_other(
    two_mounts, tmp_path, publisher
):
    model = tmp_path / "shared_volume" / "model"
    assert publisher(two_mounts[0], "zero", 1).wait() == 0
    assert publisher(two_mounts[1], "null", 1).wait() == 0
    processes = [publisher(two_mounts[number % 2], f"run{number}", 8) for number in range(4)]
    processes += [publisher(mount, "", 8) for mount in two_mounts]
    for process in processes:
        errors = process.communicate()[1]
        assert process.returncode == 0, errors
    history = read_history(model)
    published = [line for line in history if line["event"] == "published"]
    assert (len(published), len(history) > len(published)) == (2 + 4 * 8, True)
    runs = [line["run_id"] for line in history]
    assert [line["previous"] for line in history] == [None, *runs[:-1]]
    assert history[-1]["release"] == publishing.current_release(model)
    assert publishing.published_summary(model)["run_id"] == (model / "model.pkl").read_text()
    assert [path.name for path in model.rglob(".*")] == []
    assert 10 <= len(list((model / "releases").iterdir())) <= 11


def test_frozen_publisher_that_wakes_up_publishes_nothing(two_mounts, tmp_path, publisher):
    model = tmp_path / "shared_volume" / "model"
    first = publisher(two_mounts[0], "first", 1, "wait")
    until(first, "locked")
    first.send_signal(signal.SIGSTOP)
    second = publisher(two_mounts[1], "second", 1)
    assert second.wait() == 0
    first.send_signal(signal.SIGCONT)
    assert "LeaseLostError" in first.communicate("\n")[1].splitlines()[-1]
    assert [line["run_id"] for line in read_history(model)] == ["second"]
    assert (model / "model.pkl").read_text() == "second"
    assert [path.name for path in (model / "releases").iterdir()] == [history_release(model)]


def history_release(model: Path) -> str:
    return read_history(model)[-1]["release"]


# The ends of runs


def close(volume: Volume, run_id: str, hour: int) -> None:
    """Lay out a run that is over but for its end."""
    for name, output, content in (
        ("start_pipeline", "run.json", {"started": f"2026-11-23T{hour:02}:00:00.000Z"}),
        ("model_summary", "model_summary.json", {"published": False, "run_id": run_id}),
    ):
        volume.write(f"runs/{run_id}/{name}/{output}", content)
        volume.write(f"runs/{run_id}/{name}/report.json", {"status": "done", "outputs": []})


def test_ends_of_runs_at_once_remove_each_old_run_once(two_mounts, tmp_path):
    volume = Volume(tmp_path / "shared_volume")
    old, ending = [f"old{hour}" for hour in range(10)], ["a", "b", "c", "d"]
    for hour, run_id in enumerate([*old, *ending]):
        close(volume, run_id, hour)
    for run_id in old:
        volume.write(f"runs/{run_id}/end_pipeline/report.json", {"status": "done"})
    volume.write("model/model_summary.json", {"run_id": "old3"})
    volume.write(f"runs/old5/toy/{lease.NAME}", "a stage of a closed run is done again")
    volume.write("runs/.removing-old0~1/load_data/table.parquet", "left by a kill")
    mounts = [Volume(two_mounts[number % 2]) for number in range(4)]
    words = ("--keep-runs", "4", "--run-id")
    processes = [
        mount.start("end_pipeline", *words, run_id)
        for mount, run_id in zip(mounts, ending, strict=True)
    ]
    removed = []
    for mount, process, run_id in zip(mounts, processes, ending, strict=True):
        ended = mount.end(process, "end_pipeline", run_id)
        assert ended.code == 0, ended.message
        removed += volume.read("end_pipeline/end.json", run_id)["removed"]
    kept = {"old3", "old5"}
    assert sorted(removed) == sorted(set(old) - kept)
    there = {path.name for path in (volume.path / "runs").iterdir()} - {".done"}
    assert there == {*kept, *ending}
    assert not list((volume.path / "model").glob(f"{lease.NAME}*"))
