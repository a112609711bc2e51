"""PromptExecutor: a LocalExecutor with which the scheduler sleeps until a task has ended.

Between two of its loops the scheduler sleeps ``[scheduler] scheduler_idle_sleep_time``, whatever
happens meanwhile. A long sleep is waited out between any two tasks; a short one costs a good part
of a core day and night. So it is 0, and the executor waits instead, in the heartbeat that is part
of each loop: a task that has ended rings a bell, and the next one is scheduled at once.

The bell is rung by a listener in the task's process, which runs in the scheduler's container. One
that is not heard, as of a task that was killed, costs LONG_SECONDS.
"""

from __future__ import annotations

import contextlib
import select
import socket
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.executors.local_executor import LocalExecutor
from airflow.listeners import hookimpl
from airflow.plugins_manager import AirflowPlugin

if TYPE_CHECKING:
    from airflow.executors.workloads import ExecutorWorkload

# Of Linux' abstract names: it is the container's own, and leaves no file.
BELL = "\0ad-click-task-ended"
# What nobody rings for, such as a run that a person starts, waits at most so long.
LONG_SECONDS = 0.5
# After a task's end follow steps without a task: others are skipped, or the run is closed.
SHORT_SECONDS = 0.1
ALERT_SECONDS = 2.0


class PromptExecutor(LocalExecutor):
    """Waits in each heartbeat until a task has ended, or for a while."""

    bell: socket.socket
    alert_until = 0.0

    def start(self) -> None:
        """Start the workers, then listen for the bell."""
        super().start()
        self.bell = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.bell.setblocking(False)
        self.bell.bind(BELL)

    def heartbeat(self) -> None:
        """Do what an executor does in each of the scheduler's loops, then wait for news."""
        super().heartbeat()
        if not self.event_buffer:
            self.wait()

    def wait(self) -> None:
        """Return when a task has ended, or in time for what nobody rings for."""
        alert = time.monotonic() < self.alert_until
        if self.rings_within(SHORT_SECONDS if alert else LONG_SECONDS):
            self.alert_until = time.monotonic() + ALERT_SECONDS

    def rings_within(self, seconds: float) -> bool:
        """Return whether the bell has rung, as soon as it does; several rings are one."""
        watch = select.poll()
        watch.register(self.bell, select.POLLIN)
        if not watch.poll(1000 * seconds):
            return False
        with contextlib.suppress(BlockingIOError):
            while self.bell.recv(1):
                pass
        return True

    def end(self) -> None:
        """Stop listening, then end as a LocalExecutor does."""
        self.bell.close()
        super().end()

    def _process_workloads(self, workload_list: Sequence[ExecutorWorkload]) -> None:
        super()._process_workloads(workload_list)  # type: ignore[no-untyped-call]
        self.alert_until = 0.0  # the next news is an end, which is rung


class Ringer:
    """Airflow's listener in the processes of tasks: rings when one has told its end."""

    @hookimpl
    def on_task_instance_success(self) -> None:
        """Ring: the task has succeeded, and the API server knows."""
        ring()

    @hookimpl
    def on_task_instance_skipped(self) -> None:
        """Ring: the task has skipped itself."""
        ring()

    @hookimpl
    def on_task_instance_failed(self) -> None:
        """Ring: the task has failed, which the API server is told next."""
        ring()


def ring() -> None:
    """Tell the scheduler in this container that a task has ended; elsewhere nobody listens."""
    with (
        contextlib.suppress(OSError),
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as caller,
    ):
        caller.setblocking(False)
        caller.sendto(b"!", BELL)


LISTENERS: list[Any] = [Ringer()]


class PromptScheduling(AirflowPlugin):
    """Brings the listener to Airflow."""

    name = "prompt_scheduling"
    listeners = LISTENERS
