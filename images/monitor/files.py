"""Read files below one folder that anybody may have written to.

Every part of a path is opened inside its parent without following symbolic links, so no name leads
out of the folder, whatever is changed on disk meanwhile. Only regular files are opened, and never
more than a limit is read. Nothing is ever unpickled.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from .record import Record, clean

LIMIT = 1024 * 1024
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
    """A folder and all that is below it. Names are relative to ``root``, parts joined by ``/``."""

    root: Path

    @contextlib.contextmanager
    def descriptor(self, name: str) -> Iterator[int]:
        """Open a file or folder, "" being the root; FileNotFoundError or UnreadableError if not."""
        parts = name.split("/") if name else []
        if any(part in ("", ".", "..") or "\0" in part for part in parts):
            raise UnreadableError("is no path inside the folder")
        try:
            opened = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            for part in parts:
                parent = opened
                try:
                    opened = os.open(part, READ, dir_fd=parent)
                finally:
                    os.close(parent)
        except (FileNotFoundError, NotADirectoryError):
            raise FileNotFoundError(name) from None
        except OSError as error:
            link = error.errno == errno.ELOOP
            raise UnreadableError(
                "is behind a symbolic link" if link else str(error.strerror)
            ) from None
        try:
            yield opened
        finally:
            os.close(opened)

    def open(self, name: str) -> BinaryIO:
        """Open a regular file to read its bytes."""
        with self.descriptor(name) as opened:
            if not stat.S_ISREG(os.fstat(opened).st_mode):
                raise UnreadableError("is not a regular file")
            return os.fdopen(os.dup(opened), "rb")

    def text(self, name: str) -> str:
        """Return a file's text; bytes that are no UTF-8 are replaced."""
        with self.open(name) as file:
            content = file.read(LIMIT + 1)
        if len(content) > LIMIT:
            raise UnreadableError(f"is larger than {LIMIT} bytes")
        return content.decode("utf-8", errors="replace")

    def record(self, name: str) -> Record:
        """Return the JSON object that a file holds."""
        try:
            content = clean(json.loads(self.text(name)))
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
