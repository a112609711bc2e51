"""probe.py against the monitor as it runs in its image: gunicorn with its settings file."""

import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from datetime import timedelta
from pathlib import Path

import pytest

import monitor
from monitor.reading.watch import WATCHED

PACKAGE = Path(monitor.__file__).parent
PATIENCE_SECONDS = 60


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def probe(*arguments):
    command = [sys.executable, str(PACKAGE / "probe.py"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def service(build, airflow, tmp_path):
    address = f"127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "gunicorn", "--config", str(PACKAGE / "gunicorn.conf.py")]
    own = {"PYTHONPATH", *monitor.SETTINGS}
    environment = {name: value for name, value in os.environ.items() if name not in own} | {
        "SHARED_VOLUME": build.root.name,
        "INDEX": str(tmp_path / "index"),
        "AIRFLOW_API_URL": airflow.url,
        "AIRFLOW_VIEWER_PASSWORD": airflow.password,
    }
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            [*command, "--bind", address, "monitor:create_app()"],
            cwd=build.root.parent, env=environment, stderr=log, stdout=log,
        )  # fmt: skip
    try:
        until = time.monotonic() + PATIENCE_SECONDS
        while "no answer" in probe(f"http://{address}/health")[1]:
            assert process.poll() is None, (tmp_path / "log").read_text()
            assert time.monotonic() < until, "gunicorn does not answer"
            time.sleep(0.1)
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)


def until_both_workers_show(address, pattern):
    """Ask until ten answers in a row show it: with two workers, both do."""
    until, shown = time.monotonic() + PATIENCE_SECONDS, 0
    while shown < 10:
        with urllib.request.urlopen(address) as answer:
            shown = shown + 1 if re.search(pattern, answer.read().decode()) else 0
        assert time.monotonic() < until, f"{address} does not show {pattern}"
        time.sleep(0.05)


def test_probe_of_a_healthy_monitor_exits_0_and_names_the_newest_run(build, service):
    build.success()
    until_both_workers_show(f"{service}/health", re.escape(build.run))
    code, said = probe(f"{service}/health")
    assert code == 0
    assert said == f"{service}/health is healthy: newest run {build.run}\n"


def test_probe_of_a_monitor_without_its_volume_exits_1_and_says_why(build, service):
    (build.root / ".ad-click-volume").unlink()
    code, said = probe(f"{service}/health")
    assert code == 1
    assert "is not healthy" in said
    assert "has no .ad-click-volume" in said


def test_probe_ignores_the_proxy_of_the_environment(service, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert probe(f"{service}/health")[0] == 0


def test_probe_of_another_page_exits_1(service):
    code, said = probe(f"{service}/success")
    assert (code, "something else than a health report" in said) == (1, True)


def test_gunicorn_serves_the_pages(build, service):
    build.success()
    until_both_workers_show(f"{service}/", "The run succeeded")
    with urllib.request.urlopen(f"{service}/") as answer:
        assert answer.url == f"{service}/success"


def test_sweeper_finds_the_edit_of_an_old_run(build, service):
    for number in range(WATCHED + 2):
        build.opened(f"r{number}", started=build.start - timedelta(hours=number))
    until_both_workers_show(f"{service}/api/runs", f'"total": ?{WATCHED + 2}\\b')
    build.opened(f"r{WATCHED + 1}", dataset="edited")
    until_both_workers_show(f"{service}/api/runs?dataset=edited", '"total": ?1\\b')


def test_sweeper_of_one_worker_asks_airflow_for_both(airflow, service):
    airflow.run("new", "queued")
    until_both_workers_show(f"{service}/home", "waits in Airflow since")
    airflow.stop()
    until_both_workers_show(f"{service}/home", "Airflow does not answer at the moment")


def test_probe_without_an_answer_exits_1():
    code, said = probe(f"http://127.0.0.1:{free_port()}/health")
    assert (code, "no answer" in said) == (1, True)


def test_probe_of_what_is_no_address_exits_1():
    code, said = probe("monitor")
    assert (code, said.count("\n")) == (1, 1)


def test_probe_without_an_address_exits_2():
    code, said = probe()
    assert (code, "usage" in said) == (2, True)


def test_gunicorn_refuses_a_short_password_in_one_line(build):
    command = [sys.executable, "-m", "gunicorn", "--config", str(PACKAGE / "gunicorn.conf.py")]
    done = subprocess.run(
        [*command, "--bind", f"127.0.0.1:{free_port()}", "monitor:create_app()"],
        env={**os.environ, "MONITOR_PASSWORD": "short", "SHARED_VOLUME": str(build.root)},
        capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS,
    )  # fmt: skip
    assert done.returncode != 0
    assert "error: MONITOR_PASSWORD in .env is shorter than 12 characters" in done.stderr
    assert "Traceback" not in done.stderr
