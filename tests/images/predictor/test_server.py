"""The service under a real gunicorn: it starts without a model and never drops a request."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import threading
import time

from tests.images.predictor.conftest import ROOT, ROW, Publisher, Server

LIMIT_SECONDS = 60


def wait_for(server: Server, run_id: str) -> None:
    """Wait until a run's model answers."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while (server.ask("/health")[1]["model"] or {}).get("run_id") != run_id:
        assert time.monotonic() < deadline, f"{run_id} does not answer"
        time.sleep(0.05)


def test_it_starts_without_a_model_and_takes_the_first_one(server: Server, published: Publisher):
    status, told = server.ask("/health")
    assert (status, told["status"]) == (503, "failing")
    assert server.ask("/live") == (200, {"status": "ok"})
    published.publish("first")
    wait_for(server, "first")
    status, answer = server.ask("/v1/predict", {"row": ROW})
    assert (status, answer["model"]["run_id"]) == (200, "first")


class Asker(threading.Thread):
    """Asks without a pause on one connection, once more after ``stop``; keeps what came back."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self.port = port
        self.stop = threading.Event()
        self.answers: list[tuple[int, str, float]] = []

    def run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        body, headers = json.dumps({"row": ROW}), {"Content-Type": "application/json"}
        last = False
        while not last:
            last = self.stop.is_set()
            connection.request("POST", "/v1/predict", body, headers)
            response = connection.getresponse()
            told = json.load(response)
            probability = told["predictions"][0]["probability"]
            self.answers.append((response.status, told["model"]["run_id"], probability))
        connection.close()


def test_a_publication_under_load_fails_no_request(server: Server, published: Publisher):
    published.publish("model 0")
    wait_for(server, "model 0")
    askers = [Asker(server.port) for _ in range(4)]
    for asker in askers:
        asker.start()
    for number in range(1, 4):
        published.publish(f"model {number}", C=10.0**-number)
        wait_for(server, f"model {number}")
    for asker in askers:
        asker.stop.set()
        asker.join()
        assert asker.answers[-1][1] == "model 3"  # and no thread ended with an error before
    answers = [answer for asker in askers for answer in asker.answers]
    assert {status for status, _, _ in answers} == {200}
    # Each answer is wholly of the model that it names.
    by_model = {name: {p for _, told, p in answers if told == name} for name in published.models}
    assert all(len(probabilities) == 1 for probabilities in by_model.values()), by_model
    assert len({*map(tuple, by_model.values())}) == 4
    assert not published.mark.exists()


THREADS = """
import os, sys
import pyarrow, sklearn, skops.io
before = len(os.listdir("/proc/self/task"))
import predictor
print(len(os.listdir("/proc/self/task")) - before)
"""


def test_onnx_runtime_starts_no_thread_that_sends_what_it_sees():
    """It does not where it is told not to, or where CI is said to be at work."""
    environment = {name: value for name, value in os.environ.items() if name != "CI"}
    environment["PYTHONPATH"] = str(ROOT / "images")
    command = [sys.executable, "-c", THREADS]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "0\n"
    assert "telemetry" not in done.stderr
