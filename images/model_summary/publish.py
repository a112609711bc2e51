"""Publishing: all files of a model become the published ones in one step.

``model/`` holds fixed links to ``current/``, and ``current`` is a link to a folder below
``releases/``. Switching that one link is atomic, so a reader never sees a model beside the summary
of another, and a kill at any moment leaves the former model published, or the new one.
"""

import fcntl
import os
import shutil
import tempfile
from pathlib import Path

from stage import flush


def publish(model: Path, run_id: str, files: dict[str, Path]) -> Path:
    """Publish copies of the files, by name, and return their release folder.

    ``model`` is the volume's ``model/`` folder. Two runs that publish at once do so one after the
    other.
    """
    releases = model / "releases"
    releases.mkdir(parents=True, exist_ok=True)
    with (model / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        release = Path(tempfile.mkdtemp(prefix=f"{run_id}~", dir=releases))
        release.chmod(0o755)
        current = Path("releases", release.name)
        try:
            for name, source in files.items():
                shutil.copyfile(source, release / name)
                flush(release / name)
            flush(release)
            flush(releases)
            link(model / "current", current)
        except OSError:  # such as a full disk, which a half-made release would keep full
            if not leads_to(model / "current", current):
                shutil.rmtree(release, ignore_errors=True)
            raise
        for name in files:
            link(model / name, Path("current", name))
        flush(model)
        for other in releases.iterdir():
            if other != release:
                shutil.rmtree(other, ignore_errors=True)
    return release


def link(path: Path, target: Path) -> None:
    """Make ``path`` a link to ``target``, atomically replacing what was there."""
    for leftover in path.parent.glob(f".{path.name}.*"):  # of a process that was killed
        leftover.unlink(missing_ok=True)
    if leads_to(path, target):
        return
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.symlink_to(target)
    try:
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def leads_to(path: Path, target: Path) -> bool:
    """Tell whether ``path`` is a link to ``target``."""
    return path.is_symlink() and path.readlink() == target
