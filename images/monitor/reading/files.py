"""Read files below one folder that anybody may have written to.

Every part of a path is opened inside its parent without following symbolic links, so no name leads
out of the folder, whatever is changed on disk meanwhile. Only regular files are opened, and never
more than a limit is read. Nothing is ever unpickled.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from .record import Record, parse_json

LIMIT = 1024 * 1024
# Of a list of violations and of a profile, which are as long as the data are bad and wide.
LARGE_LIMIT = 8 * LIMIT
# O_NONBLOCK: opening a named pipe must not wait for a writer.
READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
DEPTH = 30


class UnreadableError(Exception):
    """A file that is there and cannot be shown; the message says why, in words."""


@dataclass(frozen=True)
class Entry:
    """One name in a folder."""

    name: str
    is_folder: bool


@dataclass(frozen=True)
class Tree:
    """A folder and all that is below it. Names are relative to ``root``, parts joined by ``/``.

    ``root`` is a path, or the descriptor of a folder that is open.
    """

    root: Path | int

    @contextlib.contextmanager
    def inside(self, name: str) -> Iterator[Tree]:
        """Open a folder once, for many files in it."""
        with self.descriptor(name) as opened:
            yield Tree(opened)

    @contextlib.contextmanager
    def descriptor(self, name: str) -> Iterator[int]:
        """Open a file or folder, "" being the root; FileNotFoundError or UnreadableError if not."""
        parts = name.split("/") if name else []
        if any(part in ("", ".", "..") or "\0" in part for part in parts):
            raise UnreadableError("is no path inside the folder")
        try:
            opened = self.open_root()
            for part in parts:
                parent = opened
                try:
                    opened = os.open(part, READ, dir_fd=parent)
                finally:
                    os.close(parent)
        except (FileNotFoundError, NotADirectoryError):
            raise FileNotFoundError(name) from None
        except OSError as error:
            if error.errno == errno.ESTALE:
                raise FileNotFoundError(name) from None
            link = error.errno == errno.ELOOP
            raise UnreadableError(
                "is behind a symbolic link" if link else str(error.strerror)
            ) from None
        try:
            yield opened
        except OSError as error:
            # On a network's mount: another host has replaced or removed what is open here.
            if error.errno == errno.ESTALE:
                raise FileNotFoundError(name) from None
            raise
        finally:
            os.close(opened)

    def open_root(self) -> int:
        """Return a new descriptor of the root."""
        if isinstance(self.root, int):
            return os.dup(self.root)
        return os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def open(self, name: str) -> BinaryIO:
        """Open a regular file to read its bytes."""
        with self.descriptor(name) as opened:
            if not stat.S_ISREG(os.fstat(opened).st_mode):
                raise UnreadableError("is not a regular file")
            return os.fdopen(os.dup(opened), "rb")

    def tail(self, name: str, limit: int) -> bytes:
        """Return the last bytes of a file; where that is not all of it, from a line's begin on."""
        with self.open(name) as file:
            start = max(0, os.fstat(file.fileno()).st_size - limit)
            file.seek(start)
            content = file.read(limit)
        return content.partition(b"\n")[2] if start else content

    def bytes(self, name: str, limit: int = LIMIT) -> bytes:
        """Return a file's content, which is no larger than a limit."""
        with self.descriptor(name) as opened:
            status = os.fstat(opened)
            if not stat.S_ISREG(status.st_mode):
                raise UnreadableError("is not a regular file")
            parts = []
            left = limit + 1
            while left > 0 and (part := os.read(opened, min(left, status.st_size + 1))):
                parts.append(part)
                left -= len(part)
        if left <= 0:
            raise UnreadableError(f"is larger than {limit} bytes")
        return b"".join(parts)

    def text(self, name: str) -> str:
        """Return a file's text; bytes that are no UTF-8 are replaced."""
        return self.bytes(name).decode("utf-8", errors="replace")

    def record(self, name: str, limit: int = LIMIT) -> Record:
        """Return the JSON object that a file holds."""
        try:
            content = parse_json(self.bytes(name, limit))
        except (ValueError, RecursionError):
            raise UnreadableError("is not whole, valid JSON") from None
        if not isinstance(content, dict):
            raise UnreadableError("holds no JSON object")
        return Record(content)

    def entries(self, name: str) -> list[Entry]:
        """Return what a folder holds, sorted by name; hidden names are left out."""
        try:
            with self.descriptor(name) as opened, os.scandir(opened) as found:
                entries = [Entry(e.name, e.is_dir(follow_symlinks=False)) for e in found]
        except NotADirectoryError:
            return []
        return sorted((e for e in entries if e.name[0] != "."), key=lambda entry: entry.name)

    def modified(self, name: str) -> float:
        """Return when a file or folder was last changed, in seconds since 1970."""
        with self.descriptor(name) as opened:
            return os.fstat(opened).st_mtime

    def signature(self, name: str) -> str:
        """Return a text that changes with names, sizes and times in a folder's folders."""
        seen = []
        with self.descriptor(name) as opened, os.scandir(opened) as folders:
            for folder in folders:
                if folder.is_dir(follow_symlinks=False) and folder.name[0] != ".":
                    seen.append((folder.name, *marks(opened, folder.name)))
        return hashlib.blake2b(repr(sorted(seen)).encode(), digest_size=12).hexdigest()

    def size(self, name: str) -> int | None:
        """Return a file's bytes, for a name that ends in "/" all bytes in that folder.

        None where it is not there, or is a link, the wrong kind or nested too deeply.
        """
        if name.count("/") > DEPTH:
            return None
        try:
            with self.descriptor(name.rstrip("/")) as opened:
                status = os.fstat(opened)
        except (FileNotFoundError, UnreadableError):
            return None
        if name.endswith("/"):
            return self.folder_size(name.rstrip("/")) if stat.S_ISDIR(status.st_mode) else None
        return status.st_size if stat.S_ISREG(status.st_mode) else None

    def folder_size(self, name: str) -> int:
        """Return all bytes of the files in a folder and below it."""
        sizes = (
            self.size(f"{name}/{entry.name}{'/' if entry.is_folder else ''}")
            for entry in self.entries(name)
        )
        return sum(size or 0 for size in sizes)


def marks(parent: int, name: str) -> list[tuple[str, int, int]]:
    """Return name, size and time of each file in a folder; empty where it is gone meanwhile."""
    try:
        opened = os.open(name, READ | os.O_DIRECTORY, dir_fd=parent)
    except OSError:
        return []
    try:
        with os.scandir(opened) as files:
            stats = [(file.name, file.stat(follow_symlinks=False)) for file in files]
    except OSError:  # a file went while it was looked at: another look will come
        return []
    finally:
        os.close(opened)
    return sorted((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats)
