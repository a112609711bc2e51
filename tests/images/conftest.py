"""Shared volumes for the stages' tests, and the stages run on them, all without Docker."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import stage

ROOT = Path(__file__).resolve().parents[2]
IMAGES = ROOT / "images"
REAL_DATA = ROOT.parent / "shared" / "data" / "advertising.csv"
CHAIN = (
    "start_pipeline",
    "load_data",
    "data_preprocessing",
    "separate_data",
    "build_model",
    "evaluate_model",
    "model_summary",
    "end_pipeline",
)


@dataclass(frozen=True)
class Ended:
    """How a stage ended: its exit code, what it printed, and the report it left."""

    code: int
    lines: list[str]
    errors: str
    report: dict[str, Any] | None

    @property
    def summary(self) -> dict[str, Any]:
        """The last line of the output."""
        return json.loads(self.lines[-1])

    @property
    def message(self) -> str:
        """The one sentence that says what is wrong."""
        return self.summary["error"]["message"]


@dataclass
class Volume:
    """A shared volume in a temporary folder."""

    path: Path

    @classmethod
    def make(cls, path: Path, data: Path | None = ROOT / "shared_volume" / "data") -> Volume:
        path.mkdir(parents=True, exist_ok=True)
        (path / stage.MARKER).touch()
        if data:
            shutil.copytree(data, path / "data")
        return cls(path)

    def copy(self, path: Path) -> Volume:
        shutil.copytree(self.path, path, symlinks=True)
        return Volume(path)

    def folder(self, name: str, run_id: str = "demo") -> Path:
        return self.path / "runs" / run_id / name

    def files(self, name: str, run_id: str = "demo") -> list[str]:
        folder = self.folder(name, run_id)
        return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())

    def read(self, name: str, run_id: str = "demo") -> Any:
        return json.loads(self.folder(name, run_id).read_text())

    def write(self, name: str, content: Any) -> Path:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    def report(self, name: str, run_id: str = "demo") -> dict[str, Any] | None:
        path = self.folder(name, run_id) / "report.json"
        return json.loads(path.read_text()) if path.is_file() else None

    def run(self, name: str, *arguments: str, run_id: str = "demo", force: bool = True) -> Ended:
        """Run a stage in this process, where its packages are imported only once.

        It does its work even where an earlier run did the same, unless ``force`` is false.
        """
        if force and stage.Contract.load(IMAGES / name).reusable:
            arguments = ("--force", *arguments)
        with silent_process() as printed, pytest.MonkeyPatch.context() as patch:
            patch.setenv("SHARED_VOLUME", str(self.path))
            code = stage.main(name, ["--run-id", run_id, *arguments])
        lines = printed.getvalue().splitlines()
        return Ended(code, lines, "", self.report(name, run_id))

    def run_chain(self, upto: str = CHAIN[-1], run_id: str = "demo", **arguments: Any) -> None:
        """Run the stages one after the other; each keyword is a stage's list of arguments."""
        for name in CHAIN[: CHAIN.index(upto) + 1]:
            ended = self.run(name, *arguments.get(name, []), run_id=run_id)
            assert ended.code == 0, ended.message

    def start(
        self, name: str, *arguments: str, images: Path = IMAGES, **options: Any
    ) -> subprocess.Popen[str]:
        """Start a stage as a process of its own, as a user does."""
        environment = {**os.environ, "SHARED_VOLUME": str(self.path)}
        return subprocess.Popen(
            [sys.executable, str(images / "stage.py"), name, *arguments],
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            **{"stderr": subprocess.PIPE, **options},
        )

    def end(self, process: subprocess.Popen[str], name: str, run_id: str = "demo") -> Ended:
        """Wait for a started stage."""
        try:
            printed, errors = process.communicate(timeout=120)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise
        # Lines as Docker's log driver cuts them, on the line feed alone.
        lines = printed.removesuffix("\n").split("\n")
        return Ended(process.returncode, lines, errors, self.report(name, run_id))


@contextlib.contextmanager
def silent_process() -> Iterator[io.StringIO]:
    """Let a stage's ``main`` set up this process as its own, and set it back after."""
    root = logging.getLogger()
    handlers, level, handler = root.handlers[:], root.level, signal.getsignal(signal.SIGTERM)
    root.handlers[:] = []
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            yield printed
    finally:
        root.handlers[:], root.level = handlers, level
        logging.captureWarnings(False)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGTERM, handler)


@pytest.fixture
def bare_volume(tmp_path: Path) -> Volume:
    """A shared volume with nothing on it but its marker."""
    return Volume.make(tmp_path / "shared_volume", data=None)


@pytest.fixture
def data_volume(tmp_path: Path) -> Volume:
    """A shared volume with the bundled data."""
    return Volume.make(tmp_path / "shared_volume")


@pytest.fixture(scope="module")
def new_volume(tmp_path_factory: pytest.TempPathFactory) -> Volume:
    """A shared volume with the bundled data, one for all tests of a module."""
    return Volume.make(tmp_path_factory.mktemp("module") / "shared_volume")


@pytest.fixture(scope="session")
def whole_run(tmp_path_factory: pytest.TempPathFactory) -> Volume:
    """A volume on which all stages ran on the bundled data; tests only read it."""
    volume = Volume.make(tmp_path_factory.mktemp("whole") / "shared_volume")
    volume.run_chain()
    return volume


@pytest.fixture
def finished(whole_run: Volume, tmp_path: Path) -> Volume:
    """A copy of a volume on which all stages ran on the bundled data."""
    return whole_run.copy(tmp_path / "shared_volume")


@pytest.fixture(scope="session")
def real_run(tmp_path_factory: pytest.TempPathFactory) -> Volume:
    """A volume on which the public data set was separated as the reference results were."""
    if not REAL_DATA.is_file():
        pytest.skip(f"the real data set is not at {REAL_DATA}")
    volume = Volume.make(tmp_path_factory.mktemp("real") / "shared_volume")
    shutil.copyfile(REAL_DATA, volume.path / "data" / "advertising.csv")
    volume.run_chain("evaluate_model", separate_data=["--stratify", "false"])
    return volume


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a file system of four megabytes: the bundled data and little more."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder]).returncode:
        pytest.skip("this machine does not let a file system be mounted")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture
def two_mounts(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """A shared volume as two hosts mount it: one folder, and file locks that end at the host.

    Each mount remembers names, sizes and times for a minute, as network file systems do.
    """
    if os.geteuid() != 0:
        pytest.skip("only root can mount a volume twice")
    if not shutil.which("bindfs"):
        # Under CI a test that is left out would look like one that passed.
        left_out = pytest.fail if os.environ.get("CI") else pytest.skip
        left_out("there is no bindfs: `make test` as root on Debian installs it")
    Volume.make(tmp_path / "shared_volume")
    mounts = (tmp_path / "one", tmp_path / "other")
    options = ("-o", "attr_timeout=60,entry_timeout=60")
    try:
        for mount in mounts:
            mount.mkdir()
            command = ["bindfs", *options, tmp_path / "shared_volume", mount]
            if subprocess.run(command, check=False).returncode:
                pytest.skip("this machine does not let a FUSE file system be mounted")
        yield mounts
    finally:
        for mount in filter(os.path.ismount, mounts):
            subprocess.run(["umount", "--lazy", mount], check=True)
