"""Have the figures drawn by a process of their own, while this one goes on with its work.

To import matplotlib and to draw take as long as all the rest, of which they only need numbers.
"""

from __future__ import annotations

import logging
import os
import pickle
import signal
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, Self

FOLDER_OF_STAGES = Path(__file__).resolve().parent.parent

log = logging.getLogger(__name__)


class Weights(NamedTuple):
    """Names and sizes, as a figure shows them with its title and their unit."""

    title: str
    unit: str
    bars: list[tuple[str, float]]


class Drawing:
    """The process that draws into a folder: ``begin`` tells it what, ``finish`` waits for it.

    It is started at once, as it takes a while until it can draw, and ended when the block is left.
    """

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "-m", "evaluate_model.figures", str(folder)]
        self.process = subprocess.Popen(
            command,
            env=os.environ | {"PYTHONPATH": str(FOLDER_OF_STAGES)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.pool = ThreadPoolExecutor(1, thread_name_prefix="drawing")
        self.ended: Future[tuple[bytes, bytes]]

    def __enter__(self) -> Self:
        """Return this."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the process, whether or not it is done."""
        self.process.kill()
        self.pool.shutdown()
        self.process.communicate()

    def begin(self, **figures: Any) -> None:
        """Let it draw; ``figures`` are the arguments of ``draw_figures`` but for the folder."""
        self.ended = self.pool.submit(self.process.communicate, pickle.dumps(figures))

    def finish(self) -> None:
        """Wait until all is drawn. An error that ended the process is raised here."""
        error, complaints = self.ended.result()
        if error:
            raise pickle.loads(error)
        if self.process.returncode == -signal.SIGKILL:
            raise MemoryError  # nobody else kills it
        for line in complaints.decode(errors="replace").splitlines():
            log.warning("%s", line)
        if self.process.returncode:
            raise RuntimeError(f"the figures' process ended with {self.process.returncode}")
