"""``task.json``: what the orchestration knows of a task, beside what the stage reports itself."""

import contextlib
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

VOLUME = Path(os.environ.get("SHARED_VOLUME", "/shared_volume"))
TRIES_KEPT = 20
# What a note tells of each try before its own.
TRY_KEYS = (
    "try_number",
    "state",
    "started",
    "ended",
    "seconds",
    "cause",
    "message",
    "exit_code",
    "oom_killed",
)
LOST = "Airflow was stopped, or the task's process killed, before this try ended"
# A try of these causes may have left its container at work: nobody was there to stop it.
CUT_OFF = ("lost", "Docker unreachable")
# What tells one task from another.
NAMES = ("dag_id", "run_id", "task_id")
# A stage can write here too: no longer file is taken for a note.
LIMIT_BYTES = 1024 * 1024


class TaskNote:
    """One task's ``runs/<run>/<task>/task.json``, rewritten as the task goes on."""

    def __init__(self, context: Any, **known: Any) -> None:
        ti = context["ti"]
        self.run_folder = VOLUME / "runs" / ti.run_id
        self.path = self.run_folder / ti.task_id / "task.json"
        # Airflow tries again while this try's number is not above the highest it may retry.
        self.last_try = ti.try_number > ti.max_tries
        self.content: dict[str, Any] = {
            "dag_id": ti.dag_id,
            "run_id": ti.run_id,
            "task_id": ti.task_id,
            "try_number": ti.try_number,
            "state": "running",
            "queued": queued_time(ti),
            "started": now(),
            "ended": None,
            "seconds": None,
            "cause": None,
            "message": None,
            "tries": former_tries(self.read(), ti),
            **known,
        }
        self.write()

    @property
    def cut_off(self) -> bool:
        """Whether the try before this one, or this very one, was cut off before its end."""
        tries = self.content["tries"]
        return not tries or tries[-1]["cause"] in CUT_OFF

    @property
    def overtaken(self) -> bool:
        """Whether a later try has begun, while Airflow had lost sight of this one."""
        other = self.read()
        return (
            isinstance(other, dict)
            and all(other.get(name) == self.content[name] for name in NAMES)
            and isinstance(other.get("try_number"), int)
            and other["try_number"] > self.content["try_number"]
        )

    def read(self) -> Any:
        """Return what stands where the note will be: most often nothing, else an earlier try's."""
        try:
            # Of a pipe, which is no file, the reading might not end.
            if not self.path.is_file() or self.path.stat().st_size > LIMIT_BYTES:
                return None
            return json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return None

    def update(self, **known: Any) -> None:
        """Add what is known now; the note of a later try stays as it is."""
        self.content.update(known)
        if not self.overtaken:
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
        temporary = self.path.with_name(f".task.json.{os.urandom(8).hex()}")
        text = json.dumps(self.content, indent=2, ensure_ascii=False) + "\n"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # A stage's words may hold half a character, which UTF-8 has no bytes for.
            temporary.write_text(text, encoding="utf-8", errors="replace")
            temporary.replace(self.path)
        except OSError:
            with contextlib.suppress(OSError):
                temporary.unlink()


def former_tries(note: Any, ti: Any) -> list[dict[str, Any]]:
    """Return what an earlier try's note tells of it and of those before it, the oldest first.

    A note of another task tells nothing. Nor does a try whose number is not below this one's: it is
    this very try, begun again, or one of a run of the same name that Airflow has forgotten.
    """
    if not isinstance(note, dict) or any(note.get(name) != getattr(ti, name) for name in NAMES):
        return []
    kept = note.get("tries")
    found = {
        entry["try_number"]: summarize_try(entry)
        for entry in (*(kept if isinstance(kept, list) else ()), note)
        if isinstance(entry, dict)
        and isinstance(entry.get("try_number"), int)
        and entry["try_number"] < ti.try_number
    }
    return [found[number] for number in sorted(found)][-TRIES_KEPT:]


def summarize_try(entry: dict[str, Any]) -> dict[str, Any]:
    """Return what is kept of a try that is over: as in Airflow's history, failed or succeeded."""
    summary = {key: entry.get(key) for key in TRY_KEYS}
    if summary["state"] == "running":
        summary |= {"cause": "lost", "message": LOST}
    if summary["state"] != "success":
        summary["state"] = "failed"
    return summary


def queued_time(ti: Any) -> str | None:
    """Return when Airflow queued this try, or None: the task SDK 1.3 does not tell its tasks."""
    queued = getattr(ti, "queued_dttm", None)
    return iso(queued) if isinstance(queued, datetime) else None


def now() -> str:
    """Return now in UTC, ISO 8601 with milliseconds."""
    return iso(datetime.now(UTC))


def iso(time: datetime) -> str:
    """Return a time in UTC, ISO 8601 with milliseconds."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
