"""trigger_flask_api: asks a real HTTP server whether the monitor shows the run."""

from __future__ import annotations

import http.server
import json
import threading

import pytest

from stage import StageError
from trigger_flask_api import main

SHOWN = {
    "status": "ok",
    "volume": {"readable": True, "marker": True, "problem": None},
    "newest_run": {"run_id": "newer", "state": "running", "age_seconds": 1.5},
    "run": {"run_id": "demo", "state": "success"},
}


@pytest.fixture
def monitor(monkeypatch):
    """A server that gives the answers in turn, the last one for ever, and notes what was asked."""
    answers: list[tuple[int, str]] = []
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            status, body = answers.pop(0) if len(answers) > 1 else answers[0]
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.answers, server.asked = answers, asked
    server.url = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setenv("MONITOR_URL", server.url)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(main, "TRIES", 3)
    monkeypatch.setattr(main, "PAUSE_SECONDS", 0.0)


def test_run_that_the_monitor_shows_exits_0(bare_volume, monitor):
    monitor.answers.append((200, json.dumps(SHOWN)))
    ended = bare_volume.run("trigger_flask_api")
    assert (ended.code, ended.summary["metrics"]) == (0, {"monitor_shows": "success"})
    assert bare_volume.read("trigger_flask_api/monitor.json") == SHOWN
    assert monitor.asked == ["/health?run_id=demo"]


def test_run_id_is_quoted_in_the_address(bare_volume, monitor):
    run_id = "manual__2026-11-23T19:30:00+00:00"
    monitor.answers.append((200, json.dumps({"run": {"run_id": run_id, "state": "failed"}})))
    assert bare_volume.run("trigger_flask_api", run_id=run_id).code == 0
    assert monitor.asked == ["/health?run_id=manual__2026-11-23T19%3A30%3A00%2B00%3A00"]


@pytest.mark.parametrize("run", [{"run": {"run_id": "x", "state": "success"}}, {"run": None}, {}])
def test_monitor_that_does_not_show_the_run_exits_70(bare_volume, monitor, run):
    monitor.answers.append((200, json.dumps({"status": "ok", **run})))
    ended = bare_volume.run("trigger_flask_api")
    assert (ended.code, ended.message) == (
        70,
        f"the monitor does not show the run 'demo' at {monitor.url}/health?run_id=demo",
    )
    assert bare_volume.files("trigger_flask_api") == ["report.json"]


def test_monitor_that_starts_just_now_is_waited_for(bare_volume, monitor, quick):
    monitor.answers += [(503, "starting"), (404, "{}"), (200, json.dumps(SHOWN))]
    ended = bare_volume.run("trigger_flask_api")
    assert (ended.code, len(monitor.asked)) == (0, 3)
    waited = [line for line in ended.lines if "the monitor does not answer yet" in line]
    assert len(waited) == 2


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (404, "{}", "HTTP Error 404: Not Found"),
        (503, '{"status": "failing"}', "HTTP Error 503: Service Unavailable"),
        (200, "<html>", "Expecting value: line 1 column 1"),
        (200, "[1]", "cannot convert dictionary update sequence element"),
    ],
)
def test_monitor_that_never_answers_rightly_exits_70(
    bare_volume, monitor, quick, status, body, reason
):
    monitor.answers.append((status, body))
    ended = bare_volume.run("trigger_flask_api")
    assert (ended.code, len(monitor.asked)) == (70, 3)
    assert ended.message.startswith(
        f"the monitor does not answer at {monitor.url}/health?run_id=demo: {reason}"
    )
    assert ended.message.endswith("; see its log: make logs")


def test_monitor_that_is_not_there_is_a_crash_with_its_address(quick):
    with pytest.raises(
        StageError, match=r"does not answer at http://127\.0\.0\.1:9/: .*refused"
    ) as e:
        main.ask("http://127.0.0.1:9/")
    assert e.value.code == 70
