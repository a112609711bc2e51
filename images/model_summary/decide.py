"""Whether a model that has met the gate is published, and why."""

from typing import Any


def decide(
    comparison: dict[str, Any], rule: str, published: dict[str, Any], sha256: str
) -> tuple[bool, str | None]:
    """Return whether the model is published, and what the comparison says for or against it.

    ``rule`` is the parameter ``publish``, ``published`` the summary of what is published now, and
    ``sha256`` that of the new model.
    """
    if rule == "never":
        return False, "the parameter publish is never"
    if rule == "always":
        words = "it is published whatever the comparison, as the parameter publish is always"
        return True, f"{words}: {comparison['reason']}" if comparison["compared"] else words
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
