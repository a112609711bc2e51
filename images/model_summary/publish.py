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
        for name, source in files.items():
            shutil.copyfile(source, release / name)
            flush(release / name)
        flush(release)
        flush(releases)
        link(model / "current", Path("releases", release.name))
        for name in files:
            link(model / name, Path("current", name))
        flush(model)
        for other in releases.iterdir():
            if other != release:
                shutil.rmtree(other, ignore_errors=True)
    return release


def link(path: Path, target: Path) -> None:
    """Make ``path`` a link to ``target``, atomically replacing what was there."""
    if path.is_symlink() and path.readlink() == target:
        return
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    temporary.replace(path)
