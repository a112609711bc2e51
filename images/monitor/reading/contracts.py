"""What the stages' own contracts say: what each must leave behind, what to do about each cause."""

from __future__ import annotations

import logging
import tomllib
from pathlib import Path

from .stages import MAILS, STAGES

log = logging.getLogger(__name__)


def read_contracts(images: Path) -> dict[str, list[str]]:
    """Return each stage's declared outputs, from ``<images>/<stage>/stage.toml``.

    Names are relative to ``runs/<run>/<stage>/``; one that ends in "/" is a folder. A contract that
    cannot be read is logged and left out, so that one broken stage does not stop the monitor.
    """
    contracts = {}
    for path in sorted(images.glob("*/stage.toml"), key=lambda path: order(path.parent.name)):
        try:
            outputs = tomllib.loads(path.read_text(encoding="utf-8")).get("outputs", {})
            contracts[path.parent.name] = [
                name for name, rules in outputs.items() if not rules.get("optional")
            ]
        except (OSError, ValueError, AttributeError) as error:
            log.warning("%s is left out, it cannot be read: %s", path, error)
    return contracts


def read_advice(images: Path) -> dict[str, str]:
    """Return what to do about each cause, from ``<images>/exit_codes.toml``."""
    path = images / "exit_codes.toml"
    try:
        codes = tomllib.loads(path.read_text(encoding="utf-8"))
        return {entry["cause"]: entry["advice"] for entry in codes.values()}
    except (OSError, ValueError, KeyError, TypeError) as error:
        log.warning("%s cannot be read, so pages lack advice: %s", path, error)
        return {}


def order(stage: str) -> tuple[int, str]:
    """Return a sorting key: the pipeline's order, then others by name."""
    known = STAGES + MAILS
    return (known.index(stage) if stage in known else len(known), stage)
