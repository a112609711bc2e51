"""``task.json``: what the orchestration knows of a task, beside what the stage reports itself."""

import contextlib
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

VOLUME = Path(os.environ.get("SHARED_VOLUME", "/shared_volume"))


class TaskNote:
    """One task's ``runs/<run>/<task>/task.json``, rewritten as the task goes on."""

    def __init__(self, context: Any, **known: Any) -> None:
        ti = context["ti"]
        self.path = VOLUME / "runs" / ti.run_id / ti.task_id / "task.json"
        # Airflow tries again while this try's number is not above the highest it may retry.
        self.last_try = ti.try_number > ti.max_tries
        self.content: dict[str, Any] = {
            "dag_id": ti.dag_id,
            "run_id": ti.run_id,
            "task_id": ti.task_id,
            "try_number": ti.try_number,
            "state": "running",
            "started": now(),
            "ended": None,
            "seconds": None,
            "cause": None,
            "message": None,
            **known,
        }
        self.write()

    def update(self, **known: Any) -> None:
        """Add what is known now."""
        self.content.update(known)
        self.write()

    def succeed(self, **known: Any) -> None:
        """Close the note of a task that succeeded."""
        self.close("success", known)

    def fail(self, *, retried: bool, **known: Any) -> None:
        """Close the note of a task that failed; ``retried`` tells whether its cause allows that."""
        self.close("up_for_retry" if retried and not self.last_try else "failed", known)

    def close(self, state: str, known: dict[str, Any]) -> None:
        """Write the note's last version."""
        ended = now()
        took = datetime.fromisoformat(ended) - datetime.fromisoformat(self.content["started"])
        self.update(state=state, ended=ended, seconds=round(took.total_seconds(), 3), **known)

    def write(self) -> None:
        """Write the note, whole or not at all.

        A volume that cannot be written is what the task itself will report: not a second error. So
        is a run id that starts with a dot, which Airflow takes: ``..`` is not the name of a run.
        """
        if self.content["run_id"].startswith("."):
            return
        temporary = self.path.with_name(f".task.json.{os.getpid()}")
        text = json.dumps(self.content, indent=2, ensure_ascii=False) + "\n"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_text(text, encoding="utf-8")
            temporary.replace(self.path)
        except OSError:
            with contextlib.suppress(OSError):
                temporary.unlink()


def now() -> str:
    """Return now in UTC, ISO 8601 with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
