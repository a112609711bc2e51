"""A little server that plays the part of Airflow's REST API that the monitor asks."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

LIST = "/api/v2/dags/~/dagRuns/list"
DAG = "ml_pipeline_advertising"


class AirflowServer(ThreadingHTTPServer):
    """Airflow with these runs and tasks; ``answers`` are raw ones that come first."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.password = "viewer's password"
        self.token = "token 1"
        self.runs: dict[str, dict[str, Any]] = {}
        self.tasks: dict[str, dict[str, dict[str, Any]]] = {}
        self.listed = 20
        self.answers: list[tuple[int, bytes]] = []
        self.asked: list[str] = []
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def run(
        self, run_id: str, state: str, tasks: Any = None, dag_id: str = DAG, **more: Any
    ) -> None:
        """Add a run, and the states or more of its tasks."""
        self.runs[run_id] = {"dag_run_id": run_id, "dag_id": dag_id, "state": state} | more
        self.tasks[run_id] = {
            name: task if isinstance(task, dict) else {"state": task}
            for name, task in (tasks or {}).items()
        }

    def stop(self) -> None:
        """Stop answering: a connection is then refused."""
        self.shutdown()
        self.server_close()


class Answer(BaseHTTPRequestHandler):
    """Answers one request."""

    server: AirflowServer

    def do_POST(self) -> None:
        """Give a token for the right account, or list the runs of some DAGs."""
        server = self.server
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server.asked.append(self.path)
        if self.path == LIST:
            return self.refuse() or self.list_runs(body["dag_ids"], body["page_limit"])
        if self.path != "/auth/token":
            return self.answer(404, {})
        if body != {"username": "monitor", "password": server.password}:
            return self.answer(401, {"detail": "Invalid credentials"})
        return self.answer(201, {"access_token": server.token})

    def list_runs(self, dag_ids: list[str], limit: int) -> None:
        """Answer with the newest runs of these DAGs."""
        runs = [run for run in self.server.runs.values() if run["dag_id"] in dag_ids][::-1]
        listed = runs[: min(limit, self.server.listed)]
        self.answer(200, {"dag_runs": listed, "total_entries": len(runs)})

    def refuse(self) -> bool:
        """Answer with what comes first, or that the token is wrong; return whether it was so."""
        if self.server.answers:
            self.answer(*self.server.answers.pop(0))
        elif self.headers["Authorization"] != f"Bearer {self.server.token}":
            self.answer(401, {"detail": "Invalid token"})
        else:
            return False
        return True

    def do_GET(self) -> None:
        """Answer with a run, or its tasks."""
        server, path = self.server, urlsplit(self.path).path
        server.asked.append(self.path)
        if self.refuse():
            return None
        dag_id, _, path = path.removeprefix("/api/v2/dags/").partition("/dagRuns/")
        run_id, _, rest = path.partition("/")
        run_id = unquote(run_id)
        if server.runs.get(run_id, {}).get("dag_id") != dag_id:
            return self.answer(404, {"detail": "Not Found"})
        if rest != "taskInstances":
            return self.answer(200, server.runs[run_id])
        tasks = [{"task_id": name} | task for name, task in server.tasks[run_id].items()]
        return self.answer(200, {"task_instances": tasks, "total_entries": len(tasks)})

    def answer(self, status: int, content: Any) -> None:
        """Send JSON, or bytes as they are."""
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Write no log."""
