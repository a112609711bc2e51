"""What is published on the shared volume: found, read and checked, never unpickled.

``model/current`` leads to the release's folder; its ``model_summary.json`` holds the sha256 of
every file beside it. A file is read once, and the bytes that were checked are those that are used.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

SUMMARY = "model_summary.json"
LARGEST_FILE = 256 * 1024 * 1024


class UnusableError(Exception):
    """What is published cannot be used; the message says why and what to do, in a sentence."""


@dataclass(frozen=True)
class Release:
    """A folder of published files and the summary in it."""

    folder: Path
    summary: dict[str, Any]

    @classmethod
    def open(cls, folder: Path) -> Release:
        """Read a release's summary, or raise UnusableError."""
        try:
            summary = orjson.loads(read_bytes(folder / SUMMARY))
            run_id, features = summary["run_id"], summary["features"]
            if not (isinstance(run_id, str) and isinstance(features, list) and features):
                raise ValueError("run_id is no text, or features no list")
        except (ValueError, KeyError, TypeError) as problem:
            raise UnusableError(f"{SUMMARY} of {folder.name} is not whole: {problem}") from None
        if not isinstance(summary.get("files"), dict) or "contract" not in summary:
            raise UnusableError(
                f"the model of run {run_id} was published without the hashes of its files and its "
                "contract, by an older model_summary: run the pipeline once more"
            )
        return cls(folder, summary)

    @property
    def run_id(self) -> str:
        """The run that made the model."""
        return str(self.summary["run_id"])

    @property
    def columns(self) -> dict[str, dict[str, Any]]:
        """The features' rules of the data contract, in the model's order."""
        try:
            rules = self.summary["contract"]["columns"]
            return {name: rules[name] for name in self.summary["features"]}
        except (KeyError, TypeError):
            raise UnusableError(
                f"the contract in {SUMMARY} of run {self.run_id} lacks a feature of the model"
            ) from None

    @property
    def classes(self) -> tuple[Any, Any]:
        """The target's value where no click is predicted, and where one is."""
        rules: dict[str, Any] = self.summary["contract"]["columns"].get(
            self.summary.get("target"), {}
        )
        positive = rules.get("positive", 1)
        others = [value for value in rules.get("allowed", [0, 1]) if value != positive]
        return (others[0] if others else 0), positive

    def sha256(self, name: str) -> str | None:
        """Return the sha256 that a file must have, None where none of its name is published."""
        told = self.summary["files"].get(name)
        return str(told["sha256"]) if told else None

    def read(self, name: str) -> bytes:
        """Return a file's bytes, which are those that were published, or raise UnusableError."""
        content = read_bytes(self.folder / name)
        found = hashlib.sha256(content).hexdigest()
        if found != self.sha256(name):
            raise UnusableError(
                f"{name} of run {self.run_id} is not the file that was published: its sha256 is "
                f"{found}, {SUMMARY} says {self.sha256(name)}; publish the run again"
            )
        return content


def find_release(volume: Path) -> Path:
    """Return the folder of the published release, or raise UnusableError."""
    current = volume / "model" / "current"
    try:
        return current.resolve(strict=True)
    except (OSError, RuntimeError):
        raise UnusableError(
            "no model is published yet: run the pipeline, or make publish RUN=..."
        ) from None


def read_bytes(path: Path) -> bytes:
    """Return a file's content, or raise UnusableError."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except OSError as problem:
        raise UnusableError(f"{path.name} cannot be read: {problem.strerror}") from None
    if len(content) > LARGEST_FILE:
        raise UnusableError(f"{path.name} is larger than any model: {LARGEST_FILE >> 20} MiB")
    return content
