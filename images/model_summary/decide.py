"""Whether a model that has met the gate is published, and why."""

from pathlib import Path
from typing import Any

from model_summary.card import CARD
from stage import describe_file

# What a model was made from and measured on, as summaries tell it.
ORIGIN = ("contract", "parts")


def find_same(summary: dict[str, Any], published: dict[str, Any], current: Path) -> str | None:
    """Return the other run whose published model is this very one, or None.

    It is where all published files have the same bytes, on the disk too, and the rows and their
    contract are the same; the card and the summaries speak of their run. ``published`` is the
    summary of what is published now, in ``current``.
    """
    other, files = published.get("run_id"), published.get("files")
    if other in (None, summary["run_id"]) or not isinstance(files, dict):
        return None
    if {name: told for name, told in files.items() if name != CARD} != summary["files"]:
        return None
    if any(summary[key] != published.get(key) for key in ORIGIN):
        return None
    try:
        there = {name: describe_file(current / name, current) for name in summary["files"]}
    except OSError:
        return None
    same = all(there[name]["sha256"] == told["sha256"] for name, told in summary["files"].items())
    return str(other) if same else None


def decide(
    comparison: dict[str, Any],
    rule: str,
    published: dict[str, Any],
    sha256: str,
    same_as: str | None = None,
) -> tuple[bool, str | None]:
    """Return whether the model is published, and what the comparison says for or against it.

    ``rule`` is the parameter ``publish``, ``published`` the summary of what is published now,
    ``sha256`` that of the new model, and ``same_as`` what ``find_same`` returns.
    """
    if rule == "never":
        return False, "the parameter publish is never"
    if rule == "always":
        words = "it is published whatever the comparison, as the parameter publish is always"
        return True, f"{words}: {comparison['reason']}" if comparison["compared"] else words
    if same_as:
        return True, f"it is the same model as the published one of run {same_as}, which stays"
    if comparison["verdict"] == "worse":
        return False, f"it is {comparison['reason']}"
    now = (published.get("model") or {}).get("sha256")
    if now not in (None, sha256, (comparison["champion"] or {}).get("sha256")):
        return False, (
            f"the model of run {published.get('run_id')} was published meanwhile, and this one was "
            "not compared with it; run evaluate_model again"
        )
    if comparison["verdict"] == "first":
        return True, None
    if comparison["verdict"] == "not_comparable":
        return True, f"it was not compared, as {comparison['why_not']}"
    return True, f"it is {comparison['reason']}"
