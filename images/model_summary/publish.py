"""Publishing: all files of a model become the published ones in one step.

``model/`` holds fixed links to ``current/``, and ``current`` is a link to a folder below
``releases/``. Switching that one link is atomic, so a reader never sees a model beside the summary
of another, and a kill at any moment leaves the former model published, or the new one. A release
folder holds all that is published; the newest are kept, so that ``roll_back`` can return to them.
Each decision becomes a line of the history.
"""

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lease import Lease, LeaseLostError, alone_in
from model_summary.history import append, read_history, release_in_use, releases_before
from stage import StageError, flush, read_object

SUMMARY = "model_summary.json"
KEPT_RELEASES = 10
# Those that this process holds, by the folder that is published to.
LEASES: dict[Path, Lease] = {}


@contextlib.contextmanager
def locked(model: Path) -> Iterator[None]:
    """Decide alone: two that publish at once, on whichever hosts, do so one after the other.

    What a kill left open is completed first.
    """
    model.mkdir(parents=True, exist_ok=True)
    with alone_in(model) as lease:
        LEASES[model] = lease
        try:
            (model / ".lock").unlink(missing_ok=True)  # of versions that locked that file
            complete(model)
            yield
        finally:
            del LEASES[model]


def confirm(model: Path) -> None:
    """See that this process still decides alone, else raise LeaseLostError."""
    LEASES[model].confirm()


def complete(model: Path) -> None:
    """Write the line that the history lacks of the release in use; remove what never was in use."""
    history, used = read_history(model), current_release(model)
    known = {line.get("release") for line in history} | {used}
    for release in (model / "releases").glob("*"):
        # Without a history nobody knows which ones were in use.
        if release.name.startswith(".") or (history and release.name not in known):
            shutil.rmtree(release, ignore_errors=True)
    before = release_in_use(history)
    if used and used != before:
        previous = read_summary(model, before).get("run_id") if before else None
        event = (
            "rolled_back" if any(line.get("release") == used for line in history) else "published"
        )
        confirm(model)
        append(model, event, read_summary(model, used), previous=previous, release=used)


def publish(model: Path, files: dict[str, Path], event: str = "published") -> Path:
    """Publish copies of the files, by name, and return their release folder.

    ``model`` is the volume's ``model/`` folder; one of the files is ``model_summary.json``. To be
    called while ``locked``.
    """
    releases = model / "releases"
    releases.mkdir(exist_ok=True)
    summary = json.loads(files[SUMMARY].read_text(encoding="utf-8"))
    former = current_release(model)
    previous = published_summary(model).get("run_id")
    # Its name begins with a dot until it is whole.
    made = Path(tempfile.mkdtemp(prefix=f".{summary['run_id']}~", dir=releases))
    release = made.with_name(made.name[1:])
    try:
        made.chmod(0o755)
        for name, source in files.items():
            shutil.copyfile(source, made / name)
            flush(made / name)
        flush(made)
        made.rename(release)
        flush(releases)
        confirm(model)
        use(model, release.name)
    except (OSError, LeaseLostError):  # a half-made release would keep a full disk full
        shutil.rmtree(made, ignore_errors=True)
        if current_release(model) != release.name:
            shutil.rmtree(release, ignore_errors=True)
        raise
    confirm(model)
    append(model, event, summary, previous=previous, release=release.name)
    remove_old_releases(model, spared={release.name, former})
    return release


def roll_back(model: Path) -> tuple[str | None, str]:
    """Use the release before the one in use; return their runs, the former one's first.

    By the history: the one that was in use when the current one was published. Without one that is
    kept it is a StageError (66). To be called while ``locked``.
    """
    used = current_release(model)
    if used is None:
        raise StageError(66, "no model is published, so there is none to roll back from")
    former = read_summary(model, used)
    before = releases_before(read_history(model))
    target, passed = before.get(used), {used}
    while target and (target in passed or not differs(model, target, former)):
        passed.add(target)
        target = None if before.get(target) in passed else before.get(target)
    if not target:
        raise StageError(
            66,
            f"no release before the one of run {former.get('run_id')} is kept in model/releases; "
            "publish an earlier run with: make publish RUN=<run id>",
        )
    summary = read_summary(model, target)
    reason = f"rolled back by hand from the model of run {former.get('run_id')}"
    confirm(model)
    use(model, target)
    confirm(model)
    known = {"previous": former.get("run_id"), "release": target}
    append(model, "rolled_back", {**summary, "reason": reason}, **known)
    return former.get("run_id"), str(summary.get("run_id"))


def differs(model: Path, release: str, former: dict[str, Any]) -> bool:
    """Tell whether a release is kept, and not just the same model of the same run once more."""
    summary = read_summary(model, release)
    return bool(summary) and any(summary.get(k) != former.get(k) for k in ("run_id", "model"))


def use(model: Path, release: str) -> None:
    """Make a release the published one, and let each of its files have its fixed link."""
    link(model / "current", Path("releases", release))
    names = [path.name for path in (model / "releases" / release).iterdir()]
    for name in names:
        link(model / name, Path("current", name))
    for path in model.iterdir():  # of a model of another kind
        if path.name not in names and leads_to(path, Path("current", path.name)):
            path.unlink()
    flush(model)


def remove_old_releases(model: Path, spared: set[str | None]) -> None:
    """Remove all but the newest releases and those that are spared."""
    releases = sorted(
        (model / "releases").iterdir(), key=lambda path: path.stat().st_mtime_ns, reverse=True
    )
    for release in releases[KEPT_RELEASES:]:
        if release.name not in spared:
            shutil.rmtree(release, ignore_errors=True)


def current_release(model: Path) -> str | None:
    """Return the name of the release in use; None where none is."""
    try:
        name = (model / "current").readlink().name
    except OSError:
        return None
    return name if (model / "releases" / name).is_dir() else None


def published_summary(model: Path) -> dict[str, Any]:
    """Return the summary of what is published, or an empty one."""
    used = current_release(model)
    return read_summary(model, used) if used else {}


def read_summary(model: Path, release: str) -> dict[str, Any]:
    """Return a release's summary, or an empty one where it has none that can be read."""
    return read_object(model / "releases" / release / SUMMARY)


def link(path: Path, target: Path) -> None:
    """Make ``path`` a link to ``target``, atomically replacing what was there."""
    for leftover in path.parent.glob(f".{path.name}.*"):  # of a process that was killed
        leftover.unlink(missing_ok=True)
    if leads_to(path, target):
        return
    temporary = path.with_name(f".{path.name}.{os.urandom(8).hex()}")
    temporary.symlink_to(target)
    try:
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def leads_to(path: Path, target: Path) -> bool:
    """Tell whether ``path`` is a link to ``target``."""
    return path.is_symlink() and path.readlink() == target
