"""A lease: of all that would work in one folder, on whichever host, only its holder does.

It is a small file in the folder, so that it needs no more of a shared mount than that renaming and
linking are atomic and that who opens a file sees what was written by whoever closed it before; file
locks often end at the host. The holder rewrites the file about every second. Others take a holder
for dead when the kernel that runs it says so, by a file lock that a process loses however it ends,
and on other machines when the file stays as it is for ``STALE_SECONDS`` by their own clock: clocks
are never compared. A holder that was taken for dead and lives finds out before it moves anything
into place, by ``confirm``.
"""

from __future__ import annotations

import binascii
import contextlib
import errno
import fcntl
import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

NAME = ".lease"
# Tests have it shorter.
STALE_SECONDS = float(os.environ.get("LEASE_STALE_SECONDS", "30"))
# Many in that time, as a library's code or a slow network may hold some up.
BEAT_SECONDS = STALE_SECONDS / 30
SAY_SECONDS = 10.0
# One size for all, so that a mount which remembers a file's size cuts none off.
SIZE = 512
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
GONE = {errno.ENOENT, errno.ESTALE}
NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}

log = logging.getLogger("stage")


class LeaseLostError(Exception):
    """Another process works in the folder now, or may: end without touching it."""


class Lease:
    """The lease of a folder that is there; ``on_loss`` is called in a thread when it is lost."""

    def __init__(
        self, folder: Path, on_loss: Callable[[LeaseLostError], None] | None = None
    ) -> None:
        self.folder = folder
        self.path = folder / NAME
        self.on_loss = on_loss
        self.token = os.urandom(8).hex()
        self.beats = 0
        self.machine = ""
        self.renewed = now()
        self.taken = False
        self.descriptor = -1
        self.lock = threading.Lock()
        self.over = threading.Event()

    def take(self) -> None:
        """Wait until the folder is free, and take it; says in the log for whom it waits."""
        began = changed = time.monotonic()
        told, seen, pause = began - SAY_SECONDS + 1, b"", 0.005
        while True:
            found = read(self.path)
            if found is None and self.try_to_take():
                break
            clock = time.monotonic()
            if found != seen:
                seen, changed = found or b"", clock
            if found and self.is_dead(found, clock - changed):
                continue
            if clock - told > SAY_SECONDS:
                told = clock
                log.warning(
                    "waiting for %s, which works in %s: %d s so far",
                    *(parse(seen).get("holder", "another process"), self.folder, clock - began),
                )
            time.sleep(pause)
            pause = min(0.2, 1.2 * pause)
        self.renew()
        self.remove_leftovers()
        threading.Thread(target=self.beat, daemon=True, name="lease").start()
        self.taken = True

    def try_to_take(self) -> bool:
        """Take the folder if nobody has it, and tell whether this one has it now."""
        own = self.beside()
        try:
            self.make(own)
            try:
                os.link(own, self.path)
            except OSError as error:
                if error.errno in NO_LINKS:  # as some FUSE and SMB mounts: by exclusive creation
                    self.make(self.path)
                elif error.errno not in {errno.EEXIST, *GONE} and not self.is_own(read(self.path)):
                    raise
            # By what the file says: a network may lose the answer to a link that was made.
            return self.is_own(read(self.path))
        except FileExistsError:
            return False
        finally:
            with contextlib.suppress(OSError):
                own.unlink(missing_ok=True)

    def make(self, path: Path) -> None:
        """Make a file with this lease's record."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        self.renewed = now()
        try:
            os.write(descriptor, self.record())
        finally:
            os.close(descriptor)  # which has other hosts see it

    def lock_file(self) -> None:
        """Hold a lock on the lease, and say of which machine it is, if locks work here.

        By its name, as others will try it: on some mounts a file's other link is another file to
        the kernel. Who looks in the same moment makes it fail, so that the beat tries again.
        """
        self.close()
        with contextlib.suppress(OSError):
            self.descriptor = os.open(self.path, os.O_RDWR)
            if lock(self.descriptor):
                second = os.open(self.path, os.O_RDWR)
                try:
                    self.machine = "" if lock(second) else machine(self.folder)
                finally:
                    os.close(second)

    def record(self) -> bytes:
        """Return what the file says."""
        content = {
            "token": self.token,
            "machine": self.machine,
            "holder": f"process {os.getpid()} of host {os.uname().nodename}",
            "beats": self.beats,
        }
        return json.dumps(content).encode().ljust(SIZE)

    def beside(self) -> Path:
        """Return a name in the folder that nobody else uses; process ids repeat on other hosts."""
        return self.folder / f"{NAME}.{os.urandom(8).hex()}"

    def is_own(self, content: bytes | None) -> bool:
        """Tell whether a lease's content is of this one."""
        return parse(content).get("token") == self.token

    def is_dead(self, content: bytes, unchanged: float) -> bool:
        """Remove the lease of a holder that is dead, and tell whether this was it.

        ``unchanged`` is for how many seconds its content has been what it is.
        """
        if (told := parse(content).get("machine")) and told == machine(self.folder):
            with contextlib.suppress(PermissionError):  # another user's, whose lock none can try
                return self.remove_unlocked(content, unchanged)
        return unchanged > STALE_SECONDS and self.remove_dead(content, unchanged)

    def remove_unlocked(self, content: bytes, unchanged: float) -> bool:
        """Remove a lease on which its holder, of this machine, holds a lock no more."""
        try:
            descriptor = os.open(self.path, os.O_RDWR)
        except OSError as error:
            if error.errno in GONE:
                return True
            raise
        try:
            return lock(descriptor) and self.remove_dead(content, unchanged)
        finally:
            os.close(descriptor)

    def remove_dead(self, content: bytes, unchanged: float) -> bool:
        """Remove a dead holder's lease if no other process is about to, and tell whether it was.

        Of all that wait only one may, or the last would remove the lease of the first. Should it
        die too, the others try once more when as much time has passed again.
        """
        number = max(1, int(unchanged / STALE_SECONDS))
        claim = self.folder / f"{NAME}.{binascii.crc32(content):08x}-{number}"
        try:
            os.close(os.open(claim, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))
        except FileExistsError:
            return False
        try:
            return self.remove(lambda found: found == content)
        finally:
            claim.unlink(missing_ok=True)

    def remove(self, meant: Callable[[bytes], bool]) -> bool:
        """Remove the lease if its content is the one that is meant, and tell whether it was."""
        found = read(self.path)
        if found is None or not meant(found):
            return False
        aside = self.beside()
        try:
            self.path.rename(aside)
        except OSError as error:
            if error.errno in GONE:  # another one was first
                return False
            raise
        found = read(aside)
        was_meant = found is not None and meant(found)
        if not was_meant:  # its holder gave a sign of life, or it is the next one's
            with contextlib.suppress(OSError):
                os.link(aside, self.path)
        aside.unlink(missing_ok=True)
        return was_meant

    def remove_leftovers(self) -> None:
        """Remove what a kill left beside the lease; who is just about to link one tries again."""
        for leftover in self.folder.glob(f"{NAME}.*"):
            leftover.unlink(missing_ok=True)

    def beat(self) -> None:
        """Renew the lease until it is released."""
        while not self.over.wait(BEAT_SECONDS):
            try:
                self.renew()
            except LeaseLostError as lost:
                if self.on_loss:
                    self.on_loss(lost)
                return
            except OSError as error:  # confirm counts for how long
                log.warning("the lease of %s was not renewed: %s", self.folder, error.strerror)

    def renew(self) -> None:
        """Show that the holder lives; a lease that is another's is a LeaseLostError."""
        with self.lock:
            if self.over.is_set():
                return
            try:
                descriptor = os.open(self.path, os.O_RDWR)
            except OSError as error:
                if error.errno in GONE:
                    raise self.lost() from None
                raise
            try:
                content = os.pread(descriptor, SIZE, 0)
                if not self.is_own(content):
                    raise self.lost(content)
                if not self.machine:
                    self.lock_file()
                self.beats += 1
                written = now()  # others see it later, and so count from later
                os.pwrite(descriptor, self.record(), 0)
            finally:
                os.close(descriptor)
            self.renewed = written

    def lost(self, content: bytes = b"") -> LeaseLostError:
        """Return the error for a lease that another one has, or has had."""
        if taker := parse(content).get("holder"):
            why = f"{taker} took over {self.folder}, as nothing was heard of this one for a while"
        else:
            why = f"the lease of {self.folder} was removed, so that others may work there"
        return LeaseLostError(f"{why}; this process ends and leaves the folder alone")

    def confirm(self, within: float = 0.0) -> None:
        """See that the lease is still held, else raise LeaseLostError.

        That it was renewed ``within`` so many seconds counts as proof, and asks no file.
        """
        if now() - self.renewed < within:
            return
        try:
            self.renew()
        except OSError as error:
            silent = now() - self.renewed
            if silent > STALE_SECONDS / 2:
                raise LeaseLostError(
                    f"the lease of {self.folder} could not be renewed for {silent:.0f} s "
                    f"({error.strerror}), so that another process may take it over"
                ) from None

    def release(self) -> None:
        """Let others have the folder. One that was lost is left alone."""
        self.over.set()
        with self.lock, contextlib.suppress(OSError):  # it was removed, or others wait for its end
            self.remove(self.is_own)
        self.close()

    def close(self) -> None:
        """Give up the lock, if there is one."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
        self.descriptor = -1


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[Lease]:
    """Hold the lease of a folder that is there."""
    lease = Lease(folder)
    try:
        lease.take()
        yield lease
    finally:
        lease.release()


def now() -> float:
    """Return a clock in seconds that goes on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def machine(folder: Path) -> str:
    """Return what two processes have in common whose file locks in a folder heed each other."""
    try:
        boot = BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""
    return f"{boot} {folder.stat().st_dev}"


def lock(descriptor: int) -> bool:
    """Lock a file, and tell whether that was possible."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def read(path: Path) -> bytes | None:
    """Return a lease's content as its holder wrote it last, or None where there is none."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            return os.read(descriptor, SIZE)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno in GONE:
            return None
        raise


def parse(content: bytes | None) -> dict[str, Any]:
    """Return a lease's record, or an empty one where that is not whole."""
    try:
        record = json.loads(content or b"")
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}
