"""A little server that plays the part of the predictor that the monitor asks."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PREDICTION = {
    "model": {"run_id": "made-it", "sha256": "1a" * 32, "file": "logistic_regression_model.onnx"},
    "predictions": [
        {
            "probability": 0.9241,
            "predicted": 1,
            "explanation": {
                "log_odds": 2.5,
                "intercept": 0.5,
                "contributions": {"Daily Time Spent on Site": -1.0, "Age": 2.75, "Male": 0.25},
            },
        }
    ],
}


class PredictorServer(ThreadingHTTPServer):
    """The predictor with one answer for every row; ``asked`` are the bodies that it was sent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.status = 200
        self.answer: Any = PREDICTION
        self.asked: list[Any] = []
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def refuse(self, status: int, **problem: Any) -> None:
        """Answer every row with a problem from now on."""
        self.status, self.answer = status, {"status": status} | problem

    def stop(self) -> None:
        """Stop answering: a connection is then refused."""
        self.shutdown()
        self.server_close()


class Answer(BaseHTTPRequestHandler):
    """Answers one request."""

    server: PredictorServer

    def do_POST(self) -> None:
        """Answer as the server is told to."""
        assert self.path == "/v1/predict"
        self.server.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        answer = self.server.answer
        content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(self.server.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""
