"""One try of the tests' own stage, killed at a point: DO POINT TRY IMAGES VOLUME URL.

A process of its own, as SIGKILL leaves nothing to clean up with. POINT is one of created, starting,
started and output.
"""

import contextvars
import os
import signal
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def die(*_: Any) -> None:
    """End as Airflow's processes do when their container is killed."""
    os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """Run the try until its point."""
    do, point, try_number, images, volume, url = sys.argv[1:]
    sys.path.insert(0, str(ROOT / "orchestration" / "plugins"))
    from airflow.sdk.bases.operator import ExecutorSafeguard

    import contracts
    import stage_operator
    import task_note

    contracts.IMAGES = Path(images)
    task_note.VOLUME = Path(volume)
    operator: Any = stage_operator.StageOperator
    operator.volume_source = lambda _: volume
    task = operator(stage="probe", docker_url=url)
    task.command = ["--run-id=manual__1", f"--do={do}"]
    client = task.cli
    create, start = client.create_container, client.start
    if point == "created":
        client.create_container = lambda **known: (create(**known), die())
    elif point == "starting":
        client.start = die
    elif point == "started":
        client.start = lambda name: (start(name), die())
    elif point == "output":
        operator.follow = follow_one_line
    ti = SimpleNamespace(
        dag_id="dag",
        run_id="manual__1",
        task_id="probe",
        try_number=int(try_number),
        max_tries=2,
    )
    context = {"ti": ti, "run_id": ti.run_id, "outlet_events": {}}
    copied = contextvars.copy_context()
    copied.run(ExecutorSafeguard.tracker.set, task)
    copied.run(task.execute, context)


def follow_one_line(task: Any, _: Any) -> None:
    """Start the container and die at its first words."""
    task.cli.start(task.container["Id"])
    for _ in task.cli.logs(task.container["Id"], stream=True, follow=True):
        die()


if __name__ == "__main__":
    main()
