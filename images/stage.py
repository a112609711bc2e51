"""Run one stage by its contract: ``python3 stage.py build_model --run-id demo --max-iter 500``.

A stage is a folder beside this file: ``stage.toml`` declares it, ``main.py`` does the work in one
function, ``run(run: Run) -> metrics``. This module does all that stages have in common: it builds
the command line from the contract, checks the inputs, gives the work a temporary folder, moves the
outputs into place only when they are complete, and always leaves a report. It knows no column, no
model and no pandas, and needs nothing but the standard library.

Every way to end is an exit code of ``exit_codes.toml``. Errors are raised as StageError anywhere
below, are caught once in ``main``, and become an exit code, a report and one sentence.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import hashlib
import importlib
import json
import logging
import math
import os
import platform
import re
import shutil
import signal
import sys
import tempfile
import threading
import time
import tomllib
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

from lease import BEAT_SECONDS, NAME, Lease, LeaseLostError

HERE = Path(__file__).resolve().parent
MARKER = ".ad-click-volume"
RUN_ID = re.compile(r"[A-Za-z0-9_~:+-][A-Za-z0-9_.~:+-]{0,199}")
EXIT_CODES: dict[int, dict[str, Any]] = {
    int(code): entry
    for code, entry in tomllib.loads((HERE / "exit_codes.toml").read_text(encoding="utf-8")).items()
}
# What a report says of a stage that made its outputs, or took them over from an earlier run.
FINISHED = ("done", "up to date")
OUTPUT_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EFBIG}

CONTRACT_KEYS = {
    *("summary", "network", "packages", "inputs", "outputs", "publishes"),
    *("parameters", "resources", "reusable"),
    # What the orchestration alone reads.
    *("settings", "secrets", "network_setting", "parts"),
}
RESOURCE_KEYS = {"queue", "memory", "cpus", "pids", "timeout_seconds"}
ENTRY_KEYS = {
    "inputs": {"help", "columns", "optional", "ignore"},
    "outputs": {"help", "kept_on_refusal", "optional"},
    "publishes": {"help"},
    "parameters": {
        *("type", "default", "help", "minimum", "maximum"),
        *("exclusive_minimum", "exclusive_maximum", "enum", "pattern"),
    },
}
LOG_TIME = "%Y-%m-%dT%H:%M:%SZ"
# For each output that was written, its files with their paths below the scratch folder.
Gathered = dict[str, list[dict[str, Any]]]

log = logging.getLogger("stage")


class StageError(Exception):
    """The stage ends here, with an exit code of ``exit_codes.toml`` and one sentence.

    Outputs that the contract marks ``kept_on_refusal`` are still moved into place.
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def data_refused(message: str) -> StageError:
    """Return the error for data that breaks a rule; the message names file, line, column, rule."""
    return StageError(65, message)


@dataclass(frozen=True)
class Contract:
    """A stage's ``stage.toml``: what it reads, writes, can be told, and may use."""

    stage: str
    summary: str
    inputs: dict[str, dict[str, Any]]
    outputs: dict[str, dict[str, Any]]
    parameters: dict[str, dict[str, Any]]
    resources: dict[str, Any]
    network: str = "none"
    packages: tuple[str, ...] = ()
    publishes: dict[str, dict[str, Any]] = field(default_factory=dict)
    reusable: bool = False

    @classmethod
    def load(cls, folder: Path) -> Contract:
        """Read ``folder/stage.toml``; a key that the format does not know is a ValueError."""
        path = folder / "stage.toml"
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        tables = [
            (content, CONTRACT_KEYS, ""),
            (content["resources"], RESOURCE_KEYS, " of resources"),
        ]
        tables += [
            (entry, known, f" of {section}.{name}")
            for section, known in ENTRY_KEYS.items()
            for name, entry in content.get(section, {}).items()
        ]
        for table, known, where in tables:
            if unknown := sorted(set(table) - known):
                raise ValueError(f"{path}: unknown key {unknown[0]!r}{where}")
        return cls(
            stage=folder.name,
            summary=content["summary"],
            inputs=content.get("inputs", {}),
            outputs=content.get("outputs", {}),
            parameters=content.get("parameters", {}),
            resources=content["resources"],
            network=content.get("network", "none"),
            packages=tuple(content.get("packages", ())),
            publishes=content.get("publishes", {}),
            reusable=content.get("reusable", False),
        )

    def parser(self) -> argparse.ArgumentParser:
        """Return the command line that this contract declares."""
        parser = CommandLine(
            prog=self.stage,
            description=self.summary,
            formatter_class=argparse.ArgumentDefaultsHelpFormatter,
            allow_abbrev=False,
        )
        parser.add_argument(
            "--run-id",
            type=parse_run_id,
            required=True,
            default=argparse.SUPPRESS,
            help="folder under runs/ that the run's files stand in",
        )
        for name, parameter in self.parameters.items():
            parser.add_argument(
                option(name),
                dest=name,
                metavar="|".join(map(str, parameter.get("enum", [parameter["type"].upper()]))),
                type=parameter_type(name, parameter),
                default=parameter["default"],
                help=parameter["help"].replace("%", "%%"),
            )
        if self.reusable:
            parser.add_argument(
                "--force",
                metavar="BOOLEAN",
                type=parameter_type("force", {"type": "boolean"}),
                nargs="?",
                const=True,
                default=False,
                help="do the work although nothing has changed since an earlier run did it",
            )
        return parser


class CommandLine(argparse.ArgumentParser):
    """An argument parser whose errors are StageErrors, so that they too get a report."""

    def error(self, message: str) -> NoReturn:
        """Raise instead of exiting."""
        raise StageError(2, f"{message}; see {self.prog} --help")


def option(name: str) -> str:
    """Return a parameter's spelling on the command line: ``max_iter`` is ``--max-iter``."""
    return "--" + name.replace("_", "-")


def parse_run_id(text: str) -> str:
    """Return a run id that is safe as a folder's name, the same ones that Airflow allows."""
    if not RUN_ID.fullmatch(text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no run id: use letters, digits and _.~:+- (not a dot first), at most 200"
        )
    return text


def parameter_type(name: str, parameter: dict[str, Any]) -> Callable[[str], Any]:
    """Return the function that turns a command line word into the parameter's checked value."""

    def parse(text: str) -> Any:
        try:
            value = PARSERS[parameter["type"]](text)
        except (ValueError, KeyError):
            raise argparse.ArgumentTypeError(f"{text!r} is no {parameter['type']}") from None
        if broken := broken_limit(value, parameter):
            raise argparse.ArgumentTypeError(f"{text!r} is refused: {name} must be {broken}")
        return value

    return parse


def parse_string(text: str) -> str:
    """Return the text; bytes that are no UTF-8, which no report could hold, are a ValueError."""
    return text.encode("utf-8").decode("utf-8")


PARSERS: dict[str, Callable[[str], Any]] = {
    "boolean": lambda text: {"true": True, "false": False}[text.lower()],
    "integer": int,
    "number": float,
    "string": parse_string,
}


def broken_limit(value: Any, parameter: dict[str, Any]) -> str | None:
    """Return the first limit of the contract that the value breaks, in words, or None."""
    if "enum" in parameter and value not in parameter["enum"]:
        return "one of " + ", ".join(map(str, parameter["enum"]))
    if "pattern" in parameter and not re.fullmatch(parameter["pattern"], value):
        return f"of the form {parameter['pattern']}"
    if parameter["type"] == "number" and not math.isfinite(value):
        return "finite"
    limits: dict[str, tuple[str, Callable[[Any], bool]]] = {
        "minimum": ("at least", lambda limit: value >= limit),
        "maximum": ("at most", lambda limit: value <= limit),
        "exclusive_minimum": ("above", lambda limit: value > limit),
        "exclusive_maximum": ("below", lambda limit: value < limit),
    }
    for key, (words, holds) in limits.items():
        if key in parameter and not holds(parameter[key]):
            return f"{words} {parameter[key]}"
    return None


@dataclass
class Run:
    """What a stage's work sees: its parameters, its inputs, where its outputs go."""

    contract: Contract
    volume: Path
    run_id: str
    parameters: dict[str, Any]
    inputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    outputs: list[dict[str, Any]] = field(default_factory=list)
    said: dict[str, Any] = field(default_factory=dict)
    recipe: dict[str, Any] = field(default_factory=dict)
    why: str | None = None
    taken_from: str | None = None
    scratch: Path | None = None
    committed: bool = False
    # Of the stage's folder; who does not hold it changes nothing there.
    lease: Lease | None = None
    # The work of other stages that this one does as well: each part has a report of its own.
    parts: list[Ending] = field(default_factory=list)
    # Held while something is moved into place, so that SIGTERM never ends the process half-way.
    lock: threading.RLock = field(default_factory=threading.RLock)

    def __post_init__(self) -> None:
        """Find the stage's own folder, ``runs/<run>/<stage>``; a link out of the volume is (2)."""
        self.folder = self.path(f"runs/{self.run_id}/{self.stage}")

    @property
    def stage(self) -> str:
        """The stage's name."""
        return self.contract.stage

    @property
    def former(self) -> Path:
        """The folder in which an earlier try's report and outputs are set aside."""
        return self.folder / ".former"

    def confirm(self, within: float = 0.0) -> None:
        """See that no other process works in the stage's folder, else raise LeaseLostError."""
        if self.lease:
            self.lease.confirm(within)

    def may_report(self) -> bool:
        """Tell whether this process works in the stage's folder, or nobody does.

        A process that no longer works there although it did gets a LeaseLostError.
        """
        if self.lease and self.lease.taken:
            self.confirm()
            return True
        return self.folder.is_dir() and not (self.folder / NAME).exists()

    @property
    def run_folder(self) -> Path:
        """The run's folder, ``runs/<run>``."""
        return self.path(f"runs/{self.run_id}")

    def located(self, declared: str) -> str:
        """Return the path on the volume that a path of the contract stands for."""
        return declared.format(run_id=self.run_id, **self.parameters)

    def path(self, relative: str) -> Path:
        """Return the path of a file on the volume; one that leaves the volume is refused (2)."""
        path = None if "\0" in relative else Path(os.path.realpath(self.volume / relative))
        if path is None or not path.is_relative_to(self.volume):
            raise StageError(2, f"path {relative!r} leaves the shared volume; name one inside it")
        return path

    def input(self, name: str) -> Path:
        """Return the checked input whose path ends in ``name``; FileNotFoundError when absent.

        Only an input that the contract marks ``optional`` can be absent.
        """
        for declared, entry in self.inputs.items():
            if declared.endswith(name):
                return self.volume / str(entry["path"])
        raise FileNotFoundError(name)

    def read_json(self, name: str) -> Any:
        """Return the content of a JSON input."""
        path = self.input(name)
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise data_refused(f"{self.relative(path)} is no valid JSON: {error}") from None

    def add_input(self, relative: str) -> Path:
        """Check and record one more input, a path on the volume known only at run time."""
        path = self.path(relative)
        if not os.path.isfile(path):  # unlike Path.is_file, also answers for a name too long
            state = "is no file" if os.path.exists(path) else "is missing"
            raise StageError(66, f"{relative} {state} on the shared volume")
        try:
            entry = describe_file(path, self.volume)
        except OSError as error:
            raise StageError(66, f"{relative} cannot be read: {error.strerror}") from None
        self.inputs[relative] = entry
        return path

    def columns(self, name: str) -> list[str]:
        """Return the columns that the contract requires of a table.

        A word in braces, ``{features}``, stands for what ``run.json`` says under it: a list of
        columns, one, or none.
        """
        opened = self.read_json("start_pipeline/run.json")
        wanted = next(table for path, table in self.contract.inputs.items() if path.endswith(name))
        columns: list[str] = []
        for word in wanted["columns"]:
            named = opened[word[1:-1]] if word[0] + word[-1] == "{}" else word
            columns += named if isinstance(named, list) else [] if named is None else [named]
        return columns

    def output(self, name: str) -> Path:
        """Return where to write an output that the contract declares, or a file below one."""
        declared = self.contract.outputs
        folders = tuple(out for out in declared if out.endswith("/"))
        if name not in declared and not name.startswith(folders or "/"):
            raise KeyError(f"{self.stage}/stage.toml declares no output {name!r}")
        assert self.scratch, "outputs are written while the stage works"
        path = self.scratch / name
        for folder in reversed(Path(name).parents[:-1]):  # never the scratch folder itself again
            (self.scratch / folder).mkdir(exist_ok=True)
        return path

    def write_json(self, name: str, content: Any) -> None:
        """Write a JSON output."""
        self.output(name).write_text(to_json(content), encoding="utf-8")

    def progress(self, fraction: float, message: str) -> None:
        """Say how far the work is, 0 to 1, in the log and in ``progress.json``."""
        log.info("%3.0f %% %s", 100 * fraction, message)
        self.said = {"fraction": round(fraction, 4), "message": message}
        self.write_progress()

    def write_progress(self) -> None:
        """Write ``progress.json``: what was said last, and that the stage is alive now."""
        content = {"stage": self.stage, "run_id": self.run_id, **self.said, "updated": timestamp()}
        with self.lock:
            self.confirm(within=3 * BEAT_SECONDS)
            write_atomic(self.folder / "progress.json", to_json(content), flush=False)

    def relative(self, path: Path) -> str:
        """Return a path as the volume sees it."""
        return str(path.relative_to(self.volume))

    def check_inputs(self) -> None:
        """Check that each declared input is there, whole, and made by a stage that succeeded."""
        for declared, rules in self.contract.inputs.items():
            relative = self.located(declared)
            path = self.path(relative)
            if rules.get("optional") and not path.is_file():
                continue
            self.check_maker(relative)
            self.add_input(relative)
            self.check_unchanged(relative)

    def check_maker(self, relative: str) -> None:
        """Refuse an input (66) that the stage of this run that makes it has not completed."""
        maker = self.maker(relative)
        if maker and (report := read_report(self.run_folder / maker)).get("status") not in FINISHED:
            state = "failed" if report else "has not run"
            raise StageError(
                66,
                f"{relative} is not there: {maker} {state} in run {self.run_id}; run {maker} first",
            )

    def check_unchanged(self, relative: str) -> None:
        """Refuse an input (65) whose bytes are not those that its maker reported."""
        maker = self.maker(relative)
        made = read_report(self.run_folder / maker).get("outputs", []) if maker else []
        for entry in made:
            if entry["path"] == relative and entry["sha256"] != self.inputs[relative]["sha256"]:
                raise data_refused(
                    f"{relative} was changed after {maker} wrote it; run {maker} again"
                )

    def maker(self, relative: str) -> str | None:
        """Return the stage of this run that makes a file, or None for a file from elsewhere."""
        parts = Path(relative).parts
        return parts[2] if parts[:2] == ("runs", self.run_id) and len(parts) > 3 else None

    def gather(self, *, only_kept: bool = False) -> Gathered:
        """Flush the outputs to disk and describe them.

        With ``only_kept``, for a refusal, just those that the contract marks ``kept_on_refusal``.
        Without it a declared output that was not written is an error, unless it is ``optional``.
        """
        assert self.scratch, "outputs are gathered while the stage works"
        gathered = {}
        for name, rules in self.contract.outputs.items():
            source = self.scratch / name
            if not source.exists() and not only_kept and not rules.get("optional"):
                raise StageError(70, f"{self.stage} did not write its output {name}")
            if source.exists() and (rules.get("kept_on_refusal") or not only_kept):
                gathered[name] = [describe_file(path, self.scratch) for path in flush_tree(source)]
        return gathered

    def commit(self, gathered: Gathered, *, refused: bool = False) -> None:
        """Move what was gathered into place; after a refusal the work still counts as failed."""
        assert self.scratch, "outputs are committed while the stage works"
        place = self.relative(self.folder)
        with self.lock:
            self.confirm()
            for name in gathered:
                (self.scratch / name).replace(self.folder / name.rstrip("/"))
            flush(self.folder)
            self.outputs = [
                {**entry, "path": f"{place}/{entry['path']}"}
                for entries in gathered.values()
                for entry in entries
            ]
            self.committed = not refused


def describe_file(path: Path, root: Path) -> dict[str, Any]:
    """Return a file's path below ``root``, its size in bytes and its sha256 in hex."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    relative = path.resolve().relative_to(root.resolve())
    return {"path": str(relative), "bytes": path.stat().st_size, "sha256": digest}


def read_report(folder: Path) -> dict[str, Any]:
    """Return a stage's report, or an empty one where there is none that can be read."""
    return read_object(folder / "report.json")


def read_object(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file, or an empty one where there is none that can be read."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def to_json(content: Any) -> str:
    """Return JSON as a file holds it: readable, and never NaN, which is no JSON."""
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def timestamp() -> str:
    """Return now in UTC, ISO 8601 with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def flush(path: Path) -> None:
    """Flush a file or a folder's entries to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def flush_tree(path: Path) -> list[Path]:
    """Flush a file, or a folder with all that is in it, to disk and return its files."""
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    for file in files:
        flush(file)
    if path.is_dir():
        flush(path)
    return files


def write_atomic(path: Path, text: str, *, flush: bool = True) -> None:
    """Write a small file so that readers see the old content or the new, never a part."""
    # Process ids repeat on other hosts and in other containers.
    temporary = path.with_name(f".{path.name}.{os.urandom(8).hex()}")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            if flush:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def as_stage_error(error: BaseException) -> StageError:
    """Return the exit code and the sentence for whatever ended the work."""
    if isinstance(error, StageError):
        return error
    if isinstance(error, KeyboardInterrupt):
        return StageError(143, "stopped by a person (Ctrl-C)")
    if isinstance(error, LeaseLostError):
        return StageError(70, str(error))
    if isinstance(error, MemoryError):
        return StageError(137, "the work does not fit into the memory it may use")
    number = getattr(error, "errno", None)
    if isinstance(error, OSError) and number in OUTPUT_ERRORS:
        where = f" {error.filename}" if error.filename else ""
        return StageError(73, f"the output{where} cannot be written: {os.strerror(number)}")
    for line in "".join(traceback.format_exception(error)).splitlines():
        log.error("%s", line)
    return StageError(70, f"crashed with {type(error).__name__}: {error}")


def one_line(text: str, limit: int = 1000) -> str:
    """Return text safe for one line: control characters escaped, shortened to ``limit``."""
    safe = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return safe if len(safe) <= limit else safe[: limit - 1] + "…"


class OneLineFormatter(logging.Formatter):
    """Writes each event as one line, whatever its message holds."""

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        """Return the event's time in UTC."""
        return time.strftime(datefmt or LOG_TIME, time.gmtime(record.created))

    def format(self, record: logging.LogRecord) -> str:
        """Return the event's line."""
        return one_line(super().format(record))


@contextlib.contextmanager
def scratch_folder(run: Run) -> Iterator[None]:
    """Give the run an empty folder for its outputs, beside where they go, and remove it after."""
    remove_leftovers(run.folder)
    run.scratch = Path(tempfile.mkdtemp(prefix=".scratch-", dir=run.folder))
    try:
        yield
    finally:
        remove_scratch(run)


def remove_leftovers(folder: Path) -> None:
    """Remove what a stage that was killed left half-written; who holds the lease is alone."""
    for old in (*folder.glob(".scratch-*"), folder / ".former"):
        shutil.rmtree(old, ignore_errors=True)
    for name in ("report.json", "progress.json"):
        for old in folder.glob(f".{name}.*"):
            old.unlink(missing_ok=True)


def remove_scratch(run: Run) -> None:
    """Remove the run's temporary folder.

    It is renamed first: after SIGTERM the work goes on for a moment, and could write into it again.
    """
    if run.scratch:
        doomed = run.scratch.with_name(f"{run.scratch.name}-removed")
        with contextlib.suppress(OSError):
            run.scratch.rename(doomed)
        shutil.rmtree(doomed, ignore_errors=True)
        with contextlib.suppress(LeaseLostError):  # the next one's is left alone
            run.confirm()
            shutil.rmtree(run.former, ignore_errors=True)


@contextlib.contextmanager
def heartbeat(run: Run) -> Iterator[None]:
    """Refresh ``progress.json`` while the work is silent, so that readers see that it goes on."""
    over = threading.Event()

    def beat() -> None:
        while not over.wait(BEAT_SECONDS):
            # The work will meet it, and name it.
            with contextlib.suppress(OSError, LeaseLostError):
                run.write_progress()

    thread = threading.Thread(target=beat, daemon=True, name="heartbeat")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def set_aside_former(run: Run) -> None:
    """Set aside what an earlier try left, so that nothing stale passes for this one's result."""
    run.former.mkdir(exist_ok=True)
    with run.lock:
        run.confirm()
        for name in ("report.json", *run.contract.outputs):
            path = run.folder / name.rstrip("/")
            with contextlib.suppress(FileNotFoundError):
                path.rename(run.former / path.name)


class Ending:
    """Ends the process once, with report and last line: when the work returns, or on SIGTERM."""

    def __init__(self, stage: str) -> None:
        self.lock = threading.RLock()
        self.stage = stage
        self.packages: tuple[str, ...] = ()
        self.run: Run | None = None
        self.reported = False
        self.started = timestamp()
        self.clock = time.monotonic()

    def report(self, error: StageError | None) -> dict[str, Any]:
        """Return the stage's report."""
        run = self.run
        return {
            "stage": self.stage,
            "run_id": run.run_id if run else None,
            "status": "failed" if error else FINISHED[1 if run and run.taken_from else 0],
            "started": self.started,
            "seconds": round(time.monotonic() - self.clock, 3),
            "parameters": run.parameters if run else {},
            "inputs": list(run.inputs.values()) if run else [],
            "outputs": run.outputs if run else [],
            "metrics": run.metrics if run else {},
            "versions": versions(self.packages),
            "peak_memory_bytes": peak_memory(),
            "error": describe_error(error) if error else None,
            "taken_from": run.taken_from if run and not error else None,
            "why": run.why if run else None,
            "recipe": run.recipe if run else {},
            "revision": os.environ.get("AD_CLICK_REVISION", "unknown"),
        }

    def finish(self, error: StageError | None) -> int:
        """Write the report, say the last line and return the exit code.

        A folder in which another process works gets no report of this one.
        """
        alone = False
        try:
            alone = self.run is not None and self.run.may_report()
        except LeaseLostError as lost:
            error = as_stage_error(lost)
        report = None
        if self.run and alone:
            for part in self.run.parts:
                if not part.reported:
                    part.write_report(error)
            report, error = self.write_report(error)
        report = report or self.report(error)
        if self.run and self.run.lease:
            self.run.lease.release()
        if error:
            log.error("%s: %s", report["error"]["cause"], report["error"]["message"])
        keys = ("stage", "run_id", "status", "why", "seconds", "metrics", "error")
        say_last({key: report[key] for key in keys})
        return error.code if error else 0

    def write_report(self, error: StageError | None) -> tuple[dict[str, Any], StageError | None]:
        """Write the report; return it and what ended the work, which may be this writing."""
        assert self.run, "a report is written into a run's folder"
        report = self.report(error)
        try:
            (self.run.folder / "progress.json").unlink(missing_ok=True)
            write_atomic(self.run.folder / "report.json", to_json(report))
            self.reported = True
        except OSError as failure:
            error = error or StageError(73, f"the report cannot be written: {failure.strerror}")
            report = self.report(error)
        else:
            if self.run.contract.reusable and not error:
                import reuse  # which imports this module

                reuse.remember(self.run, report)
        return report, error

    def stop_on_loss(self, lost: LeaseLostError) -> None:
        """End the stage at once, as another process may work in its folder now."""
        with self.lock:
            try:
                if self.run:
                    remove_scratch(self.run)
                os._exit(self.finish(as_stage_error(lost)))
            finally:
                os._exit(70)

    def stop_on_sigterm(self) -> None:
        """Make SIGTERM end the stage at once, also while a library's C code runs.

        A Python signal handler would wait until that code returns. So a thread waits for the
        signal's number on a pipe and ends the process itself.
        """
        receiver, sender = os.pipe()
        os.set_blocking(sender, False)
        signal.set_wakeup_fd(sender)
        signal.signal(signal.SIGTERM, lambda *_: None)

        def wait() -> None:
            while os.read(receiver, 1) != bytes([signal.SIGTERM]):
                pass
            with self.lock:  # never in the middle of moving outputs into place
                try:
                    if self.run and self.run.committed:
                        os._exit(self.finish(None))
                    if self.run:
                        remove_scratch(self.run)
                    os._exit(self.finish(StageError(143, "stopped by SIGTERM before it was done")))
                finally:  # whatever failed: a stage that was told to end must not work on
                    os._exit(143)

        threading.Thread(target=wait, daemon=True, name="sigterm").start()


def say_last(summary: dict[str, Any]) -> None:
    """Print the last line. Whoever read the output may be gone, which changes nothing else."""
    try:
        sys.stderr.flush()
        print(json.dumps(summary, separators=(",", ":")), flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or its end would fail


def peak_memory() -> int | None:
    """Return the most memory that this process has held, in bytes; None where Linux does not say.

    Not getrusage's ru_maxrss, which begins with the memory of the process that started this one.
    """
    with contextlib.suppress(OSError):
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        if found := re.search(r"^VmHWM:\s*([0-9]+) kB$", status, re.MULTILINE):
            return 1024 * int(found[1])
    return None


def describe_error(error: StageError) -> dict[str, Any]:
    """Return an error as reports hold it: exit code, cause by name, one sentence."""
    cause = EXIT_CODES[error.code]["cause"]
    return {"code": error.code, "cause": cause, "message": one_line(str(error))}


def versions(packages: tuple[str, ...]) -> dict[str, str]:
    """Return the versions of Python and of the stage's packages."""
    found = {"python": platform.python_version()}
    if not packages:
        return found
    import importlib.metadata  # as much work as all else that this module imports

    for package in packages:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    return found


def open_volume() -> Path:
    """Return the shared volume, which its marker file proves to be the real one (else 66).

    Docker creates an empty folder for a mistyped path, which would otherwise pass for a volume.
    """
    volume = Path(os.environ.get("SHARED_VOLUME", "/shared_volume"))
    if not (volume / MARKER).is_file():
        raise StageError(
            66,
            f"{volume} is not the shared volume (it has no {MARKER}); "
            'mount it with -v "$PWD/shared_volume:/shared_volume"',
        )
    return volume.resolve()


def perform(contract: Contract, arguments: list[str], ending: Ending) -> None:
    """Do the stage's work: command line, inputs, work, outputs."""
    parser = contract.parser()
    try:
        values = vars(parser.parse_args(arguments))
    except StageError:
        ending.run = run_of_bad_command_line(contract, arguments)
        raise
    force = values.pop("force", False)
    run = Run(contract, open_volume(), values.pop("run_id"), values, lock=ending.lock)
    ending.run = run
    run.folder.mkdir(parents=True, exist_ok=True)
    run.lease = Lease(run.folder, ending.stop_on_loss)
    run.lease.take()
    with scratch_folder(run):
        set_aside_former(run)
        run.progress(0, contract.summary)
        try:
            with heartbeat(run):
                run.check_inputs()
                gathered = take_over(run, force=force)
                if gathered is None:
                    gathered = work(run)
        except StageError as refusal:
            if refusal.code in (65, 80):
                run.commit(run.gather(only_kept=True), refused=True)
            raise
        run.commit(gathered)


def take_over(run: Run, *, force: bool) -> Gathered | None:
    """Return the outputs of an earlier run that this one would only make again, or None."""
    import reuse  # which imports this module

    run.recipe = reuse.recipe_of(run)
    gathered = None
    if not run.contract.reusable:
        run.why = f"{run.stage} works in every run"
    elif force:
        run.why = "it was told to, by --force"
    else:
        gathered = reuse.take_over(run)
    log.info("%s: %s", "up to date" if run.taken_from else "to do", run.why)
    if gathered is None:
        run.confirm()
        reuse.forget(run)
        shutil.rmtree(run.former, ignore_errors=True)
    return gathered


def work(run: Run) -> Gathered:
    """Let the stage's own code make the outputs, and return them."""
    metrics = importlib.import_module(f"{run.stage}.main").run(run)
    # What is no JSON is a crash here, not later, where the report is written.
    run.metrics = json.loads(to_json(metrics))
    return run.gather()


def run_of_bad_command_line(contract: Contract, arguments: list[str]) -> Run | None:
    """Return the run that a refused command line still names, so that it gets its report."""
    finder = argparse.ArgumentParser(add_help=False, exit_on_error=False, allow_abbrev=False)
    finder.add_argument("--run-id", type=parse_run_id)
    try:
        run_id = finder.parse_known_args(arguments)[0].run_id
        run = Run(contract, open_volume(), run_id, {}) if run_id else None
        if run:
            run.folder.mkdir(parents=True, exist_ok=True)
    except (argparse.ArgumentError, StageError, OSError):
        return None
    return run


def main(stage: str, arguments: list[str]) -> int:
    """Run a stage and return its exit code."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(OneLineFormatter("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.captureWarnings(True)
    ending = Ending(stage)
    ending.stop_on_sigterm()
    error = None
    try:
        contract = Contract.load(HERE / stage)
        ending.packages = contract.packages
        perform(contract, arguments, ending)
    except (Exception, KeyboardInterrupt) as raised:
        error = as_stage_error(raised)
    ending.lock.acquire()  # for good: from here on SIGTERM changes nothing
    return ending.finish(error)


def run_script(file: str) -> NoReturn:
    """Run the stage whose ``main.py`` was started as a script; ``file`` is its ``__file__``."""
    leave(main(Path(file).resolve().parent.name, sys.argv[1:]))


def leave(code: int) -> NoReturn:
    """End the process. All is written: to take libraries down again takes a third of a second."""
    for output in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            output.flush()
    os._exit(code)


if __name__ == "__main__":
    # The work imports this module by name. Run the same copy, so that both know one StageError.
    import stage

    stages = sorted(path.parent.name for path in HERE.glob("*/stage.toml"))
    if len(sys.argv) < 2 or sys.argv[1] not in stages:
        sys.exit(f"usage: stage.py STAGE --run-id RUN_ID; STAGE is one of {', '.join(stages)}")
    stage.leave(stage.main(sys.argv[1], sys.argv[2:]))
