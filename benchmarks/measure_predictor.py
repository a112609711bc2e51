"""Measure the predictor beside MLflow's scoring server on the same model.

``make bench ARGS="predictor"`` runs this on the predictor's image that is built, and writes
results.json and the tables of README.md. It needs no running stack.
"""

from __future__ import annotations

import argparse
import os
import pickle
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sklearn

from http_client import Request
from load import ask_once, run_load
from mlflow_server import install, run
from monitor_container import docker, free_port
from predictor_model import ask_mlflow, ask_predictor, draw_rows, publish_model
from predictor_tables import AIM_RATE, tables
from processes import cpu_seconds, family, machine_seconds, memory_bytes
from results import origin, save

NAME = "predictor"
SEED = 1
MEMORY_LIMIT = "512m"
START_LIMIT_SECONDS = 300
WARM_UP_SECONDS = 5.0
BATCH_ROWS = 1000
# The highest of them is what a server bears: no error, and 99 of 100 answers within a second.
RATES = (50.0, 100.0, 200.0, 300.0, 500.0, 750.0, 1000.0, 1500.0, 2000.0, 2500.0, 3000.0)
BEARABLE_MS = 1000.0
SAVE_MODEL = """
import pickle, sys, mlflow.sklearn
model = pickle.load(open(sys.argv[1], "rb"))
mlflow.sklearn.save_model(
    model, sys.argv[2], pyfunc_predict_fn="predict_proba", serialization_format="cloudpickle"
)
"""


@dataclass
class Server:
    """A server that answers on a port of this machine, and how it is asked for rows."""

    port: int
    pids: Callable[[], list[int]]
    ask: Callable[[list[dict[str, Any]]], Request]
    start_seconds: float = 0.0

    def wait(self, row: dict[str, Any], begun: float) -> None:
        """Wait until a row is answered; note the seconds since ``begun``."""
        while time.monotonic() < begun + START_LIMIT_SECONDS:
            if ask_once(self.port, self.ask([row])).status == 200:
                self.start_seconds = round(time.monotonic() - begun, 2)
                return
            time.sleep(0.05)
        sys.exit("error: the server does not answer a row")


@contextmanager
def serve_predictor(volume: Path, row: dict[str, Any]) -> Iterator[Server]:
    """Run the predictor's container as docker-compose.yaml does."""
    name, port = f"ad-click-bench-predictor-{os.getpid()}", free_port()
    image = f"localhost/ad-click/predictor:{os.environ.get('IMAGE_TAG', 'latest')}"
    user = f"{os.environ['PIPELINE_UID']}:{os.environ['PIPELINE_GID']}"
    begun = time.monotonic()
    docker(
        *("run", "--detach", "--pull=never", f"--name={name}", f"--user={user}", "--read-only"),
        *("--cap-drop=ALL", "--security-opt=no-new-privileges:true", "--tmpfs=/tmp"),
        *(f"--memory={MEMORY_LIMIT}", f"--publish=127.0.0.1:{port}:5002"),
        *(f"--mount=type=bind,source={volume},target=/shared_volume,readonly", image),
    )

    def pids() -> list[int]:
        _, *lines = docker("top", name, "-eo", "pid").splitlines()
        return [int(line) for line in lines]

    try:
        server = Server(port, pids, ask_predictor)
        server.wait(row, begun)
        yield server
    finally:
        command = ["docker", "rm", "--force", "--volumes", name]
        subprocess.run(command, capture_output=True, check=False)


@contextmanager
def serve_mlflow(programs: Path, model: Path, row: dict[str, Any]) -> Iterator[Server]:
    """Run ``mlflow models serve`` with a worker for each CPU."""
    port, begun = free_port(), time.monotonic()
    serve = [str(programs / "mlflow"), "models", "serve", "--env-manager=local"]
    path = f"{programs}:{os.environ['PATH']}"
    with (model.parent / "serve.log").open("wb") as log:
        process = subprocess.Popen(
            [*serve, f"--model-uri={model}", "--host=127.0.0.1", f"--port={port}", "--workers=2"],
            env={**os.environ, "PATH": path, "MLFLOW_DISABLE_TELEMETRY": "true"},
            stdout=log,
            stderr=log,
            start_new_session=True,  # so that all of it can be ended together
        )
    try:
        server = Server(port, lambda: family(process.pid), ask_mlflow)
        server.wait(row, begun)
        yield server
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def measure(server: Server, rows: list[dict[str, Any]], seconds: float) -> dict[str, Any]:
    """Return the figures of a server: what it bears, one row at a time and many at once."""
    idle = memory_bytes(server.pids())
    load(server, [[row] for row in rows], RATES[0], WARM_UP_SECONDS)
    singles = [[row] for row in rows]
    borne = [load(server, singles, AIM_RATE / 2, seconds), load(server, singles, AIM_RATE, seconds)]
    batches = [rows[start : start + BATCH_ROWS] for start in range(0, len(rows), BATCH_ROWS)]
    return {
        "start_seconds": server.start_seconds,
        "aims": borne,
        "ladder": climb(server, singles, seconds / 3),
        "batches": load(server, batches, 2.0, seconds),
        "memory_bytes": {"idle": idle, "after_load": memory_bytes(server.pids())},
    }


def climb(server: Server, asked: list[list[dict[str, Any]]], seconds: float) -> list[Any]:
    """Return the figures of each rate, up to the first one that is too much."""
    time.sleep(3)  # what was too much before may still be at work
    steps = []
    for rate in RATES:
        steps.append(load(server, asked, rate, seconds))
        if not is_borne(steps[-1]):
            break
    return steps


def is_borne(figures: dict[str, Any]) -> bool:
    """Tell whether a server bears a rate: no error, and 99 of 100 answers within a second."""
    return not figures["errors"] and bool(figures["p99_ms"] <= BEARABLE_MS)


def load(
    server: Server, asked: list[list[dict[str, Any]]], rate: float, seconds: float
) -> dict[str, Any]:
    """Return the figures of one rate, with the CPUs that the server and others used."""
    requests = [server.ask(rows) for rows in asked]
    wanted = [requests[number % len(requests)] for number in range(round(rate * seconds))]
    pids = server.pids()
    used, machine, own = cpu_seconds(pids), machine_seconds(), time.process_time()
    told = run_load(server.port, wanted, rate)
    used = cpu_seconds(pids) - used
    own = time.process_time() - own
    others = max(0.0, machine_seconds() - machine - used - own)
    figures = {
        "rate": rate,
        **told["kinds"]["all"],
        "rows_each": len(asked[0]),
        "seconds": told["seconds"],
        "server_cpus": round(used / told["seconds"], 3),
        "generator_cpus": round(own / told["seconds"], 3),
        "other_cpus": round(others / told["seconds"], 3),
    }
    print(figures, flush=True)
    return figures


def measure_all(folder: Path, seconds: float, with_peer: bool) -> dict[str, Any]:
    """Return all figures of both servers."""
    volume = folder / "shared_volume"
    volume.mkdir()
    model, features = publish_model(volume)
    rows = draw_rows(features, 2 * BATCH_ROWS, SEED)
    with serve_predictor(volume, rows[0]) as server:
        ours = measure(server, rows, seconds)
    peer = None
    if with_peer:
        programs = install(folder)
        python = str(programs / "python")
        uv = str(Path(sys.executable).parent / "uv")
        own = f"scikit-learn=={sklearn.__version__}"
        run([uv, "pip", "install", "--quiet", "--compile-bytecode", f"--python={python}", own])
        (folder / "model.pkl").write_bytes(pickle.dumps(model))
        saved = folder / "mlflow_model"
        run([python, "-c", SAVE_MODEL, str(folder / "model.pkl"), str(saved)])
        with serve_mlflow(programs, saved, rows[0]) as server:
            peer = measure(server, rows, seconds)
        peer["version"] = run([str(programs / "mlflow"), "--version"]).rpartition(" ")[2]
    return {"predictor": ours, "peer": peer}


def read_arguments() -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0, help="length of each load")
    parser.add_argument("--only", choices=("predictor",), help="MLflow is left out")
    parser.add_argument("--dry", action="store_true", help="print the tables, keep nothing")
    return parser.parse_args()


def main() -> None:
    """Measure and write the results."""
    told = read_arguments()
    os.umask(0o022)  # another user's container reads the model
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # leaves no container behind
    folder = Path(tempfile.mkdtemp(prefix="ad-click-bench-"))
    folder.chmod(0o755)
    try:
        results = {**origin(), **measure_all(folder, told.seconds, told.only is None)}
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if not told.dry:
        save(NAME, results, tables(results))
    print(tables(results))


if __name__ == "__main__":
    main()
