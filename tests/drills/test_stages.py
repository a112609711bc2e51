"""Stages, by `docker run` of their images on real files: killed, without space, at a wrong time."""

from __future__ import annotations

import collections
import contextlib
import hashlib
import itertools
import json
import os
import random
import re
import shutil
import subprocess
import threading
import time
import tomllib
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from monitor.reading.index import Index, Query
from monitor.reading.volume import NotFoundError, Volume
from monitor.reading.watch import Watch

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
RUN = "drill"
CHAIN = (
    *("start_pipeline", "load_data", "data_preprocessing", "separate_data", "build_model"),
    *("evaluate_model", "model_summary", "end_pipeline"),
)
# Another run of the same name, which differs from the reference in every output.
FORMER = {
    "start_pipeline": ("--source", "data/former.csv"),
    "separate_data": ("--random-state", "7"),
    "build_model": ("--scaler", "minmax"),
    "end_pipeline": ("--keep-runs", "49"),
}
PUBLISHED = ("logistic_regression_model.pkl", "model_summary.txt", "model_summary.json")
KEPT_RELEASES = 10
# What only a process that was killed may leave beside the stage's files.
TEMPORARY = re.compile(
    r"\.scratch-.*|\.former(/.*)?|\.(report|progress)\.json\.([0-9a-f]+|note)|\.lease.*"
)
PAGE = 4096

pytestmark = [pytest.mark.drill, pytest.mark.image]

Files = dict[str, str]


def mask(content: bytes) -> bytes:
    """Leave out what may differ between two runs on the same inputs: when they were."""
    # In Markdown the colons are escaped.
    content = re.sub(rb"\d{4}-\d\d-\d\dT\d\d\\?:\d\d\\?:\d\d\.\d{3}Z", b"TIME", content)
    # Reports hold times too, and the lineage in summary and card each report's sha256.
    content = re.sub(
        rb'("report": "|^\| [a-z\\_]+ \| )[0-9a-f]{64}', rb"\1", content, flags=re.MULTILINE
    )
    # The card holds a time, and the summary the card's sha256.
    content = re.sub(rb'"model_card\.md": \{[^}]*\}', b'"model_card.md": {}', content)
    return re.sub(rb'"run_seconds": -?[\d.e-]+', b'"run_seconds": 0', content)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def outputs(folder: Path) -> Files:
    """Return what a stage made, by name: sha256 of all but the times."""
    return {
        name: hashlib.sha256(mask(path.read_bytes())).hexdigest()
        for name, path in files(folder).items()
        if name not in ("report.json", "progress.json")
    }


def files(folder: Path) -> dict[str, Path]:
    """Return a folder's files by name, without what is temporary."""
    found = {str(p.relative_to(folder)): p for p in sorted(folder.rglob("*")) if p.is_file()}
    return {name: p for name, p in found.items() if not TEMPORARY.match(name)}


def published_before(stage: str, age: str) -> str:
    """Return whose model is published before a stage; evaluate_model reads it, the former one."""
    return "old" if stage == "evaluate_model" else age


def forced(stage: str) -> list[str]:
    """Return what has a stage do its work here, where it was done before, again and again."""
    contract = tomllib.loads((ROOT / "images" / stage / "stage.toml").read_text())
    return ["--force"] if contract.get("reusable") else []


def temporary(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.glob(".*"))


def copy(source: Path, target: Path) -> None:
    """Copy a folder, with owners and links, in the place of what was there."""
    shutil.rmtree(target, ignore_errors=True)
    if source.exists():
        subprocess.run(["cp", "-a", source, target], check=True)


@dataclass(frozen=True)
class Ended:
    """How a stage's process ended; a negative code is a signal."""

    code: int
    printed: str
    seconds: float = 0.0
    seconds_after_mark: float | None = None

    @property
    def error(self) -> dict[str, Any]:
        """What the last line says is wrong."""
        return json.loads(self.printed.splitlines()[-1])["error"]


@dataclass
class Forks:
    """A container of a stage's image in which the stage is started again and again."""

    process: subprocess.Popen[str]
    stage: str

    def answer(self) -> dict[str, Any]:
        assert self.process.stdout
        line = self.process.stdout.readline()
        assert line, "the container ended"
        return json.loads(line)

    def __call__(
        self,
        *arguments: str,
        run_id: str = RUN,
        mark: str | None = None,
        kill_after: float | None = None,
    ) -> Ended:
        """Run the stage once, in a process of its own."""
        order = {"arguments": ["--run-id", run_id, *forced(self.stage), *arguments]}
        order |= {"mark": mark, "kill_after": kill_after}
        assert self.process.stdin
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return Ended(**self.answer())


@dataclass
class Site:
    """A volume, the images of the tests' own tag to run on it, and what they make in peace."""

    settings: dict[str, str]
    images: dict[str, str]  # by stage
    volume: Path
    kept: Path  # what the reference run and the former one made: <kept>/new and <kept>/old

    def on(self, volume: Path) -> Site:
        """Return the same site on another volume."""
        volume.mkdir(exist_ok=True)
        for name in (".ad-click-volume", "data"):
            subprocess.run(["cp", "-a", self.volume / name, volume], check=True)
        self.own(volume)
        (volume / "runs").mkdir()
        self.own(volume / "runs")
        return Site(self.settings, self.images, volume, self.kept)

    def own(self, *paths: Path) -> None:
        """Give files to the pipeline's user."""
        if os.geteuid() == 0:
            user = f"{self.settings['PIPELINE_UID']}:{self.settings['PIPELINE_GID']}"
            subprocess.run(["chown", "-R", user, *paths], check=True)

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return self.volume / "runs" / RUN

    @property
    def model(self) -> Path:
        """The folder of what is published."""
        return self.volume / "model"

    def command(self, stage: str, *options: str, access: str = "") -> list[str]:
        """Return the `docker run` of a stage as task.json has it: every wall, every limit."""
        contract = tomllib.loads((ROOT / "images" / stage / "stage.toml").read_text())
        limits = contract["resources"]
        return [
            *("docker", "run", "--init", "--read-only", "--cap-drop=ALL", "--network=none"),
            *("--security-opt=no-new-privileges:true", f"--pids-limit={limits['pids']}"),
            *("--tmpfs=/tmp:rw,noexec,nosuid,nodev,size=256m", f"--cpus={limits['cpus']:g}"),
            *(f"--memory={limits['memory']}", f"--memory-swap={limits['memory']}"),
            f"--mount=type=bind,source={self.volume},target=/shared_volume{access}",
            *options,
            *("--label", f"ad-click.drill={self.settings['COMPOSE_PROJECT_NAME']}"),
        ]

    def run(
        self,
        stage: str,
        *arguments: str,
        run_id: str = RUN,
        options: tuple[str, ...] = (),
        access: str = "",
    ) -> Ended:
        """Run a stage in a container of its own."""
        command = self.command(stage, "--rm", *options, access=access)
        command += [self.images[stage], "--run-id", run_id, *forced(stage), *arguments]
        started = time.monotonic()
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return Ended(done.returncode, done.stdout + done.stderr, time.monotonic() - started)

    @contextlib.contextmanager
    def forks(self, stage: str) -> Iterator[Forks]:
        """Start the container in which a stage is started again and again."""
        name = f"{self.settings['COMPOSE_PROJECT_NAME']}-drill-{uuid.uuid4().hex[:12]}"
        command = self.command(
            *(stage, "--rm", "--interactive", "--name", name, "--entrypoint=python3"),
            "--env=OPENBLAS_NUM_THREADS=1",  # a process without threads is safe to fork
            f"--mount=type=bind,source={HERE / 'stage_forks.py'},target=/drill.py,readonly",
        )
        command += [self.images[stage], "-W", "ignore::DeprecationWarning", "/drill.py", stage]
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, text=True, stdin=pipe, stdout=pipe)
        forks = Forks(process, stage)
        try:
            assert forks.answer() == {"ready": True}
            yield forks
        finally:
            # stdin's end is the container's; the rest is for one that does not heed it.
            with contextlib.suppress(BrokenPipeError):
                process.communicate()
            remove(name)

    def restore(self, stage: str, start: str, published: str = "old") -> None:
        """Lay out the run as it is before a stage: ``start`` is its folder's state, old or none."""
        copy(self.kept / "new", self.folder)
        copy(self.kept / start / stage, self.folder / stage)
        copy(self.kept / f"{published_before(stage, published)}-model", self.model)

    def rest(self, stage: str) -> Files:
        """Return all files that a stage has no business with."""
        return {
            name: sha256(path)
            for name, path in files(self.volume).items()
            if not name.startswith((f"runs/{RUN}/{stage}/", "runs/.done/", "model/", "filler"))
        }

    def check_untorn(self, stage: str) -> None:
        """See that each file is wholly the old one or wholly the new, and all of one age."""
        folder = self.folder / stage
        known = {age: outputs(self.kept / age / stage) for age in ("old", "new")}
        ages = set(known)
        for name, digest in outputs(folder).items():
            of = {age for age in known if known[age].get(name) == digest}
            assert of, f"{name} is torn"
            ages &= of
            assert ages, f"{name} is not as old as what is beside it"
        for name in ("progress.json", "report.json"):
            if (folder / name).exists():
                json.loads((folder / name).read_text())
        report = read_report(folder)
        if report.get("status") == "done":
            assert report["outputs"], "a report of nothing"
            for entry in report["outputs"]:
                assert sha256(self.volume / entry["path"]) == entry["sha256"]
            assert set(outputs(folder)) == set(known["new"])

    def check_published(self, stage: str, former: str) -> None:
        """See that what is published is wholly of the run before, or wholly of this one."""
        there = read_by_name(self.model)
        former = published_before(stage, former)
        before, after = (read_by_name(self.kept / f"{of}-model") for of in (former, "new"))
        if stage != "model_summary":
            assert there == before
        elif former == "none":  # the first one ever: its links come one after the other
            assert there.items() <= after.items()
        else:
            assert there in (before, after)
        if len(there) == len(PUBLISHED):
            summary = json.loads((self.model / "model_summary.json").read_text())
            assert summary["model"]["sha256"] == sha256(self.model / PUBLISHED[0])

    def check_done(self, stage: str, ended: Ended) -> None:
        """See that a stage made what the reference run has, and left nothing else."""
        assert ended.code == 0, ended.printed
        folder = self.folder / stage
        assert outputs(folder) == outputs(self.kept / "new" / stage)
        assert read_report(folder)["status"] == "done"
        assert temporary(folder) == []
        assert not (folder / "progress.json").exists()
        self.check_untorn(stage)
        if stage == "model_summary":
            assert read_by_name(self.model) == read_by_name(self.kept / "new-model")
            assert temporary(self.model) == []
            assert 1 <= len(list((self.model / "releases").iterdir())) <= KEPT_RELEASES


def read_report(folder: Path) -> dict[str, Any]:
    path = folder / "report.json"
    return json.loads(path.read_text()) if path.exists() else {}


def read_by_name(model: Path) -> Files:
    """Return what is published, by name: sha256 of all but the times."""
    return {
        name: hashlib.sha256(mask((model / name).read_bytes())).hexdigest()
        for name in PUBLISHED
        if (model / name).exists()
    }


def remove(name: str) -> None:
    subprocess.run(["docker", "rm", "--force", name], capture_output=True, check=False)


@pytest.fixture(scope="module")
def site(
    settings: dict[str, str],
    built_images: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Site:
    """A volume on which the former run and then the reference run were made, in peace."""
    volume, kept = tmp_path_factory.mktemp("volume"), tmp_path_factory.mktemp("kept")
    site = Site(settings, built_images, volume, kept)
    (volume / ".ad-click-volume").touch()
    shutil.copytree(ROOT / "shared_volume" / "data", volume / "data")
    lines = (volume / "data" / "advertising.csv").read_text().splitlines(keepends=True)
    (volume / "data" / "former.csv").write_text("".join(lines[:801]))
    site.own(volume)
    for age, arguments in (("old", FORMER), ("new", {})):
        for stage in CHAIN:
            ended = site.run(stage, *arguments.get(stage, ()))
            assert ended.code == 0, ended.printed
        copy(site.folder, kept / age)
        copy(site.model, kept / f"{age}-model")
        shutil.rmtree(site.folder)
    for stage in CHAIN:
        old, new = outputs(kept / "old" / stage), outputs(kept / "new" / stage)
        assert old.keys() == new.keys()
        assert stage == "end_pipeline" or not set(old.values()) & set(new.values())
    return site


# Killed

KILLS = {
    "start_pipeline": 10,
    "load_data": 30,
    "data_preprocessing": 30,
    "separate_data": 30,
    "build_model": 30,
    "evaluate_model": 15,
    "model_summary": 30,
    "end_pipeline": 5,
}
ENGINE_KILLS = 20


def where_it_fell(site: Site, stage: str) -> str:
    """Tell how far a killed stage had come, by what it left."""
    folder = site.folder / stage
    left = temporary(folder) if folder.exists() else []
    if read_report(folder).get("run_id") and not left:
        return "before it touched its folder, or after its report"
    if outputs(folder):
        return "with outputs in place and no report"
    if any(list(p.rglob("*")) for p in folder.glob(".scratch-*")):
        return "with outputs half made"
    return "before its first output"


def kill_often(site: Site, stage: str, number: int, draw: random.Random) -> Iterator[str]:
    """Kill a stage's process so many times, run it again after each, and tell where it fell."""
    mark = f"/shared_volume/runs/{RUN}/{stage}/.scratch-*/*"
    with site.forks(stage) as forks:
        site.restore(stage, "none", "none")
        usual = forks(mark=mark)
        site.check_done(stage, usual)
        spans = {None: usual.seconds, mark: usual.seconds_after_mark or usual.seconds}
        for count in range(number):
            start = ("old", "none")[count % 2]
            aim = (None, None, mark, mark)[count % 4]
            for _ in range(100):  # a stage that ended before its kill is no kill: draw again
                site.restore(stage, start, start)
                rest = site.rest(stage)
                moment = draw.uniform(0, spans[aim])
                killed = forks(mark=aim, kill_after=moment)
                if killed.code == -9:
                    break
                spans[aim] *= 0.9
            told = f"{stage} number {count} killed {moment:.6f} s after {aim or 'its start'}"
            print(told)
            assert killed.code == -9, f"{told}: it ended in {killed.code}: {killed.printed}"
            fell = where_it_fell(site, stage)
            site.check_untorn(stage)
            site.check_published(stage, start)
            site.check_done(stage, forks())
            assert site.rest(stage) == rest
            yield fell


def kill_containers(site: Site, number: int, draw: random.Random) -> Iterator[str]:
    """Kill whole containers, as many, spread over the stages that make the run's files."""
    stages = itertools.cycle(CHAIN[1:7])
    usual: dict[str, float] = {}
    for count in range(number):
        stage, start = next(stages), ("old", "none")[count // 6 % 2]
        name = f"{site.settings['COMPOSE_PROJECT_NAME']}-drill-{uuid.uuid4().hex[:12]}"
        command = site.command(stage, "--detach", "--name", name)
        command += [site.images[stage], "--run-id", RUN, *forced(stage)]
        code = 0
        while code != 137:
            site.restore(stage, start, start)
            rest = site.rest(stage)
            moment = draw.uniform(0, usual.get(stage, 1.0))
            print(f"{stage} number {count}, its container killed after {moment:.6f} s")
            try:
                subprocess.run(command, capture_output=True, check=True)
                time.sleep(moment)
                kill = ["docker", "kill", "--signal=KILL", name]
                subprocess.run(kill, capture_output=True, check=False)
                wait = subprocess.run(
                    ["docker", "wait", name], capture_output=True, text=True, check=True
                )
                code = int(wait.stdout)
            finally:
                remove(name)
            usual[stage] = usual.get(stage, 1.0) * (1.0 if code == 137 else 0.8)
        fell = where_it_fell(site, stage)
        site.check_untorn(stage)
        site.check_published(stage, start)
        again = site.run(stage)
        usual[stage] = again.seconds
        site.check_done(stage, again)
        assert site.rest(stage) == rest
        yield fell


def test_a_killed_stage_never_leaves_a_torn_file_and_its_rerun_is_right(
    site: Site, times: Callable[[int], None], record_property: Callable[[str, object], None]
) -> None:
    """SIGKILL ends the eight stages 200 times at random moments, 20 times by `docker kill`.

    In the other 180 the container lives on: the stage is a fork in it of a process that has
    imported the stage's packages (stage_forks.py), and that process is killed. Half of these
    moments are drawn from all of the stage's time, half from what follows its first output. Before
    a kill the stage's folder holds another run's outputs, or nothing; after it each file is wholly
    old or new, what is published is one run's, and a report that says done has its outputs. Then
    the stage runs again and makes, but for times, the bytes of a run that nothing disturbed.
    """
    seed = int(os.environ.get("DRILL_SEED") or random.SystemRandom().randrange(2**32))
    print(f"DRILL_SEED={seed}")
    draw = random.Random(seed)
    fell: collections.Counter[str] = collections.Counter()
    for stage, number in KILLS.items():
        fell.update(kill_often(site, stage, number, draw))
    fell.update(kill_containers(site, ENGINE_KILLS, draw))
    print(dict(fell))
    record_property("fell", dict(fell))
    assert fell.total() == 200
    assert fell["with outputs half made"]
    times(fell.total())


# Without space


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mounts a small file system of its own, with options; it goes after the test."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    mounted = []

    def make(options: str) -> Path:
        folder = tmp_path / f"disk{len(mounted)}"
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder]
        if subprocess.run(command, check=False).returncode:
            pytest.skip("this machine does not let a file system be mounted")
        mounted.append(folder)
        return folder

    yield make
    for folder in mounted:
        subprocess.run(["umount", "--lazy", folder], check=True)


class Filler:
    """Takes what is free on a volume, but for so much: pages of space, or names (inodes)."""

    def __init__(self, volume: Path, kind: str) -> None:
        self.folder = volume / "filler"
        self.kind = kind

    def leave(self, free: int) -> None:
        self.release()
        self.folder.mkdir()
        status = os.statvfs(self.folder)
        if self.kind == "pages":
            taken = status.f_bavail * status.f_frsize - free * PAGE
            (self.folder / "pages").write_bytes(bytes(max(0, taken)))
        else:
            for number in range(status.f_ffree - free):
                (self.folder / str(number)).touch()

    def take_all(self, over: threading.Event) -> None:
        """Take each page that becomes free, until it is over."""
        with (self.folder / "pages").open("ab", buffering=0) as file:
            while not over.wait(0.0002):
                with contextlib.suppress(OSError):
                    while file.write(bytes(PAGE)):
                        pass

    def release(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


def check_refused(site: Site, stage: str, start: str, ended: Ended, reason: str) -> None:
    """See that a stage that could not write says so in one sentence and left nothing in parts."""
    assert ended.code == ended.error["code"] == 73, ended.printed
    message = ended.error["message"]
    assert message.endswith(f"cannot be written: {reason}"), message
    assert "Traceback" not in ended.printed
    folder = site.folder / stage
    if folder.exists():
        assert temporary(folder) == []
    assert not (folder / "progress.json").exists()
    site.check_untorn(stage)
    site.check_published(stage, start)
    releases = site.model / "releases"
    # The former model's, and this one's where the disk was full after it was published.
    assert not releases.exists() or len(list(releases.iterdir())) <= 2


def starve(site: Site, stage: str, kind: str, start: str, step: int) -> int:
    """Run a stage with ever more free space until it succeeds; return how often it did not."""
    filler = Filler(site.volume, kind)
    with site.forks(stage) as forks:
        for count in itertools.count():
            filler.release()
            site.restore(stage, start, start)
            rest = site.rest(stage)
            filler.leave(count * step)
            ended = forks() if count else site.run(stage)
            print(f"{stage} from {start} with {count * step} {kind}: {ended.code}")
            if ended.code == 0:
                site.check_done(stage, ended)
                break
            check_refused(site, stage, start, ended, "No space left on device")
            filler.release()
            site.check_done(stage, forks())
            assert site.rest(stage) == rest
    return count


def pages_of(site: Site, stage: str) -> int:
    """Return how many pages the outputs of a stage take."""
    made = files(site.kept / "new" / stage).items()
    return sum(-(-p.stat().st_size // PAGE) for name, p in made if name != "report.json")


@pytest.mark.parametrize("start", ["none", "old"])
def test_a_full_disk_is_told_in_one_sentence_and_half_writes_nothing(
    start: str, site: Site, mount: Callable[[str], Path], times: Callable[[int], None]
) -> None:
    """The volume is a file system that is full but for 0, 1, 2... pages, until the stage succeeds.

    A page is less than any file takes, so that each file's write is the one that fails at some
    level; evaluate_model, which writes 80 pages, has steps of 4, less than any of its figures. The
    volume then holds nothing of the stage, or another run's outputs, which a rerun removes first.
    The first level of each is a `docker run`, the others are forks as in the drill of SIGKILL.
    """
    small = site.on(mount("size=3m,mode=755"))
    failed = 0
    for stage in CHAIN[1:7]:
        step = 4 if stage == "evaluate_model" else 1
        failures = starve(small, stage, "pages", start, step)
        if start == "none":
            assert failures * step >= pages_of(site, stage)
        failed += failures
    assert failed
    times(failed)


def test_a_disk_without_free_inodes_is_told_in_one_sentence_and_half_writes_nothing(
    site: Site, mount: Callable[[str], Path], times: Callable[[int], None]
) -> None:
    """The volume's file system has room for 0, 1, 2... more names, until the stage succeeds."""
    small = site.on(mount("size=16m,mode=755,nr_inodes=256"))
    failed = sum(starve(small, stage, "names", "none", 1) for stage in CHAIN[1:7])
    assert failed >= sum(len(outputs(site.kept / "new" / stage)) for stage in CHAIN[1:7])
    times(failed)


def test_a_disk_that_fills_up_while_a_stage_works_half_writes_nothing(
    site: Site, mount: Callable[[str], Path], times: Callable[[int], None]
) -> None:
    """At a random moment of the stage another process takes each page that is free or gets free.

    So the disk is also full when outputs are being moved, when the model is being published and
    when the report is written, after the stage's own temporary files have given their space back.
    """
    seed = int(os.environ.get("DRILL_SEED") or random.SystemRandom().randrange(2**32))
    print(f"DRILL_SEED={seed}")
    draw = random.Random(seed)
    small = site.on(mount("size=3m,mode=755"))
    filler, failed = Filler(small.volume, "pages"), 0
    for stage in (*CHAIN[1:5], "model_summary"):
        with small.forks(stage) as forks:
            small.restore(stage, "none", "none")
            usual = forks().seconds
            for count in range(20):
                start = ("none", "old")[count % 2]
                small.restore(stage, start, start)
                filler.leave(draw.randrange(2 * pages_of(site, stage)))
                over = threading.Event()
                taker = threading.Timer(draw.uniform(0, usual), filler.take_all, (over,))
                taker.start()
                try:
                    ended = forks()
                finally:
                    over.set()
                    taker.cancel()
                    taker.join()
                print(f"{stage} from {start}: {ended.code}")
                if ended.code:
                    failed += 1
                    check_refused(small, stage, start, ended, "No space left on device")
                filler.release()
                small.check_done(stage, forks())
    assert failed
    times(failed)


def everything(volume: Path) -> dict[str, tuple[float, int, str]]:
    """Return each path on a volume with its time, its kind and what it holds."""
    found = {}
    for path in sorted(volume.rglob("*")):
        status = path.lstat()
        holds = str(path.readlink()) if path.is_symlink() else ""
        holds = sha256(path) if not holds and path.is_file() else holds
        found[str(path.relative_to(volume))] = (status.st_mtime_ns, status.st_mode, holds)
    return found


@pytest.mark.parametrize("start", ["old", "none"])
def test_a_read_only_volume_is_told_in_one_sentence_and_nothing_changes(
    start: str, site: Site, times: Callable[[int], None]
) -> None:
    """The volume is mounted into the stage's container read-only, with and without old outputs."""
    for stage in CHAIN:
        site.restore(stage, start, "old")
        before = everything(site.volume)
        ended = site.run(stage, access=",readonly")
        check_refused(site, stage, "old", ended, "Read-only file system")
        assert everything(site.volume) == before
    times(len(CHAIN))


# At a wrong time

YEAR = 365 * 24 * 3600
CLOCKS = {
    "in the past": itertools.repeat(-26 * YEAR),
    "in the future": itertools.repeat(75 * YEAR),
    "each another": itertools.cycle((75 * YEAR, -26 * YEAR, 0)),
}


@pytest.fixture(scope="module")
def shift(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library that, preloaded into a program, has its clock be off (stage_clock.c)."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if not compiler:
        pytest.skip("there is no C compiler to make a clock that is off")
    folder = tmp_path_factory.mktemp("clock")
    folder.chmod(0o755)
    library = folder / "stage_clock.so"
    source = HERE / "stage_clock.c"
    subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", library, source], check=True)
    return library


@pytest.mark.parametrize("clock", CLOCKS)
def test_a_clock_that_is_off_changes_no_output_and_removes_no_run_at_work(
    clock: str, site: Site, shift: Path, tmp_path: Path, times: Callable[[int], None]
) -> None:
    """Stages' containers are told a time of day decades off, all the same or each another.

    A preloaded library answers for the C library (time of day only, as where a machine's clock is
    set wrong); the machine's clock, and so that of the volume's file system, stays right. A run
    that is at work lies beside, which end_pipeline, told to keep one run, must not take for one
    that was abandoned long ago.
    """
    off = site.on(tmp_path / "volume")
    at_work = off.volume / "runs" / "at-work" / "load_data"
    at_work.mkdir(parents=True)
    (at_work / "progress.json").write_text('{"stage": "load_data", "run_id": "at-work"}')
    off.own(at_work.parent)
    copy(site.kept / "old-model", off.model)
    years = set()
    for stage, seconds in zip(CHAIN, CLOCKS[clock], strict=False):
        options = (
            f"--mount=type=bind,source={shift},target=/clock.so,readonly",
            *("--env=LD_PRELOAD=/clock.so", f"--env=CLOCK_OFFSET={seconds}"),
        )
        more = ("--keep-runs", "1") if stage == "end_pipeline" else ()
        ended = off.run(stage, *more, options=options)
        assert ended.code == 0, ended.printed
        assert outputs(off.folder / stage) == outputs(site.kept / "new" / stage)
        report = read_report(off.folder / stage)
        expected = time.gmtime(time.time() + seconds).tm_year
        assert report["started"].startswith(f"{expected}-")
        assert report["seconds"] >= 0
        assert temporary(off.folder / stage) == []
        years.add(expected)
    assert len(years) == (3 if clock == "each another" else 1)
    assert read_by_name(off.model) == read_by_name(site.kept / "new-model")
    assert at_work.exists()
    assert json.loads((off.folder / "end_pipeline" / "end.json").read_text())["run_seconds"] >= 0
    check_read_by_monitor(off.volume, tmp_path / "index.sqlite")
    times(len(CHAIN))


def check_read_by_monitor(path: Path, index: Path) -> None:
    """See that the monitor reads the run, lists it and shows its model."""
    volume = Volume(path)
    run = volume.run(RUN)
    assert (run.state, run.all_problems) == ("success", [])
    assert run.seconds is not None
    assert run.seconds >= 0
    assert [s.state for s in run.stages if s.name in CHAIN] == ["success"] * len(CHAIN)
    assert all(s.seconds is not None and s.seconds >= 0 for s in run.stages if s.name in CHAIN)
    assert volume.published() == RUN
    watch = Watch(volume, Index(index), patience=60)
    watch.refresh()
    listed = {row.run_id: row for row in watch.index.runs(Query()).items}
    assert listed[RUN].state == "success"
    assert listed[RUN].published is True


# At once

PUBLISHERS = ("one", "two", "three")
ROUNDS = 20


def test_a_stage_that_is_started_three_times_at_once_is_done_by_one_after_the_other(
    site: Site, times: Callable[[int], None]
) -> None:
    """Three containers of one stage of one run begin together; in each second round one is killed.

    The others wait for the one that works, and follow it.
    """
    for number, stage in enumerate(("load_data", "separate_data", "build_model", "model_summary")):
        site.restore(stage, "old", "old")
        name = f"{site.settings['COMPOSE_PROJECT_NAME']}-drill-{uuid.uuid4().hex[:12]}"
        with ThreadPoolExecutor() as pool:
            named = pool.submit(site.run, stage, options=("--name", name))
            others = [pool.submit(site.run, stage) for _ in range(2)]
            if number % 2:
                while not list(site.folder.glob(f"{stage}/.scratch-*")) and not named.done():
                    time.sleep(0.01)
                kill = ["docker", "kill", "--signal=KILL", name]
                subprocess.run(kill, capture_output=True, check=False)
            ended = [container.result() for container in (named, *others)]
        assert ended[0].code in ((0, 137) if number % 2 else (0,)), ended[0].printed
        assert [one.code for one in ended[1:]] == [0, 0]
        site.check_done(stage, ended[1])
    times(4 * 3)


def read_release(model: Path) -> tuple[str, str, str]:
    """Return of which run the published files say to be, the link followed once for all three.

    Who follows it once for each file may see two runs: no file system switches three names in one
    step. A release that was replaced while it was read is gone, never mixed: it is read again.
    """
    while True:
        release = model / (model / "current").readlink()
        try:
            pickle = sha256(release / "logistic_regression_model.pkl")
            text = (release / "model_summary.txt").read_text()
            summary = json.loads((release / "model_summary.json").read_text())
        except FileNotFoundError:
            assert model / (model / "current").readlink() != release, "it lacks a file"
            continue
        assert summary["model"]["sha256"] == pickle
        assert pickle in text
        told = re.search(r"made by run +(\S+)", text)
        assert told
        return release.name.split("~")[0], str(summary["run_id"]), told[1]


def test_runs_that_publish_at_once_leave_one_whole_model_and_readers_see_one(
    site: Site, tmp_path: Path, times: Callable[[int], None]
) -> None:
    """Three model_summary containers publish 20 times each, at once, while readers look on.

    One reader is the monitor's own code.
    """
    busy = site.on(tmp_path / "volume")
    for number, run_id in enumerate(PUBLISHERS):
        copy(site.kept / ("new", "old")[number % 2], busy.volume / "runs" / run_id)
    over, looks, seen = threading.Event(), 0, set()

    def look() -> None:
        nonlocal looks
        while not over.is_set():
            ids = set(read_release(busy.model))
            assert len(ids) == 1
            seen.update(ids)
            looks += 1

    def ask_monitor() -> None:
        volume = Volume(busy.volume)
        while not over.is_set():
            before = volume.release()
            try:
                model = volume.model()
            except NotFoundError:
                assert volume.release() != before, "nothing was published meanwhile"
                continue
            assert f"made by run         {model.run_id}\n" in model.text

    with contextlib.ExitStack() as stack:
        publishers = [
            (run_id, stack.enter_context(busy.forks("model_summary"))) for run_id in PUBLISHERS
        ]
        # They were not compared with each other.
        publishers[0][1]("--publish", "always", run_id=PUBLISHERS[0])
        pool = stack.enter_context(ThreadPoolExecutor(8))
        readers = [pool.submit(look), pool.submit(ask_monitor)]
        try:
            for _ in range(ROUNDS):
                at_once = [
                    pool.submit(forks, "--publish", "always", run_id=run_id)
                    for run_id, forks in publishers
                ]
                for published in at_once:
                    ended = published.result()
                    assert ended.code == 0, ended.printed
                assert len(set(read_release(busy.model))) == 1
                assert len(list((busy.model / "releases").iterdir())) <= KEPT_RELEASES
                assert temporary(busy.model) == []
        finally:
            over.set()
        for reader in readers:
            reader.result()
    print(f"{looks} looks saw {sorted(seen)}")
    assert seen == set(PUBLISHERS)
    times(ROUNDS * len(PUBLISHERS))
