"""Open a data file as it comes: plain, compressed or Parquet, in an encoding that is certain.

What a file is, its first bytes say, never its name. Nothing is unpacked to disk or as a whole into
memory: what is read comes as blocks of UTF-8, whatever stands in the file.
"""

from __future__ import annotations

import codecs
import contextlib
import errno
import gzip
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa

from stage import StageError, one_line

BLOCK = 4 * 2**20
# More than this much, and more than this many times its compressed size, no table unpacks to.
BOMB_BYTES = 100 * 2**20
BOMB_RATIO = 200
LONGEST_DIRECTORY = 2**20

READ = "use plain, gzip, zstd, zip or Parquet"
FORMS = {
    "gzip": rb"\x1f\x8b",
    "zstd": rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18",
    "zip": rb"PK(\x03\x04|\x05\x06|\x07\x08)",
    "Parquet": rb"PAR[1E][\x00-\x08\x0e-\x1f\x7f-\xff]",
}
OTHER_FORMS = {
    "bzip2": rb"BZh[1-9](1AY&SY|\x17rE8P\x90)",
    "xz": rb"\xfd7zXZ\x00",
    "7z": rb"7z\xbc\xaf\x27\x1c",
    "lz4": rb"\x04\x22\x4d\x18",
    "lzip": rb"LZIP\x01",
    "compress": rb"\x1f[\x9d\xa0]",
    "rar": rb"Rar!\x1a\x07",
    "tar": rb"[^\x00]{1,100}\x00(?s:.{156,256})ustar[\x00 ]",
    "an Excel 97 workbook": rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
    "SQLite": rb"SQLite format 3\x00",
    "Feather": rb"ARROW1\x00",
    "ORC": rb"ORC[\x00-\x08\x0e-\x1f]",
    "a PDF": rb"%PDF-",
}
BYTE_ORDER_MARKS = [  # the longer one first: UTF-32's begins like UTF-16's
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
]
DAMAGE = (
    *(gzip.BadGzipFile, zlib.error, EOFError, zipfile.BadZipFile, struct.error),
    *(NotImplementedError, UnicodeError, ValueError, pa.ArrowException),
)


class UnreadableError(StageError):
    """The file as a whole cannot be read (65); ``rule`` says why, without the file's name."""

    def __init__(self, name: str, rule: str) -> None:
        super().__init__(65, f"{name}: {rule}")
        self.rule = rule


def find_form(head: bytes) -> str | None:
    """Return what a file is by its first bytes: ``gzip``, ``Parquet``...; None for plain text.

    >>> find_form(b"PK\\x03\\x04"), find_form(b"age,click")
    ('zip', None)
    """
    forms = {**FORMS, **OTHER_FORMS}
    return next((form for form, magic in forms.items() if re.match(magic, head)), None)


class Source:
    """A data file that is open: its form, and its content as bytes, unpacked while they are read.

    ``name`` is the file's name in messages. Use it in a ``with`` statement. Whatever is wrong with
    the packing raises UnreadableError.
    """

    def __init__(self, path: Path, name: str) -> None:
        self.path, self.name = path, name
        self.size = path.stat().st_size
        self.unpacked = 0
        self.head = b""
        with contextlib.ExitStack() as opened:
            self.file: BinaryIO = opened.enter_context(path.open("rb"))
            head = self.file.read(512)
            self.file.seek(0)
            self.form = find_form(head)
            if self.form in OTHER_FORMS:
                raise self.unreadable(f"is {self.form}, which is not read; {READ}")
            self.stream: Any = self.file
            if self.form != "Parquet":
                self.stream = opened.enter_context(self.unpack())
                self.head = self.read(512)
                if self.form and (inner := find_form(self.head)):
                    raise self.unreadable(f"is {inner} inside {self.form}; {READ}")
            self.opened = opened.pop_all()

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *_: object) -> None:
        self.opened.close()

    def unreadable(self, rule: str) -> UnreadableError:
        """Return the refusal of the file for a rule."""
        return UnreadableError(self.name, rule)

    def unpack(self) -> Any:
        """Return the stream of the content; its faults are those of DAMAGE."""
        with self.damage_refused():
            if self.form == "gzip":
                return gzip.GzipFile(fileobj=self.file)
            if self.form == "zstd":
                return pa.CompressedInputStream(pa.PythonFile(self.file, "r"), "zstd")
            if self.form == "zip":
                return self.open_member()
        return contextlib.nullcontext(self.file)

    def open_member(self) -> Any:
        """Return the stream of the one file in a zip archive."""
        if directory_bytes(self.file) > LONGEST_DIRECTORY:
            raise self.unreadable("is a zip archive of too many files; it must hold one")
        archive = zipfile.ZipFile(self.file)
        names = {entry.filename for entry in archive.infolist()}
        if "[Content_Types].xml" in names or any(n.startswith("xl/") for n in names):
            raise self.unreadable("is an Excel workbook, which is not read; save it as CSV")
        if {"mimetype", "content.xml"} <= names:
            raise self.unreadable("is a spreadsheet, which is not read; save it as CSV")
        # Finder puts what it knows of each file into a folder of this name.
        members = [
            entry
            for entry in archive.infolist()
            if not entry.is_dir() and not entry.filename.startswith("__MACOSX/")
        ]
        if len(members) != 1:
            raise self.unreadable(f"is a zip archive of {len(members)} files; it must hold one")
        if members[0].flag_bits & 0x1:
            raise self.unreadable("is an encrypted zip archive; unpack it first")
        if members[0].compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise self.unreadable("is a zip archive that is not packed by deflate; pack it so")
        return archive.open(members[0])

    def read(self, size: int) -> bytes:
        """Return the next bytes of the content: as many as asked, but at its end."""
        parts = []
        with self.damage_refused():
            while size and (part := self.stream_read(size)):
                parts.append(part)
                size -= len(part)
        return b"".join(parts)

    def stream_read(self, size: int) -> bytes:
        """Return what one read gives; a file that unpacks to far more than it is, is refused."""
        part: bytes = self.stream.read(size) if self.form else self.file.read(size)
        self.unpacked += len(part)
        if self.form and self.unpacked > max(BOMB_BYTES, BOMB_RATIO * self.file.tell()):
            raise self.unreadable(
                f"unpacks to over {BOMB_RATIO} times its size; unpack it first if that is right"
            )
        return part

    def position(self) -> float:
        """Return the share of the file that has been read, 0 to 1."""
        return min(1.0, self.file.tell() / max(1, self.size))

    @contextlib.contextmanager
    def damage_refused(self) -> Iterator[None]:
        """Turn what a damaged archive raises into the refusal of the file."""
        try:
            yield
        except MemoryError:
            raise
        except (*DAMAGE, OSError) as error:
            # With a number, it is the disk that fails; without one, it is Arrow's or zipfile's.
            if getattr(error, "errno", None) not in (None, errno.EINVAL):
                raise
            cut_off = isinstance(error, EOFError) or "runcated" in str(error)
            state = "is cut off" if cut_off else f"is damaged: {one_line(str(error), 200)}"
            raise self.unreadable(f"the {self.form} file {state}") from None

    def text_blocks(self, encoding: str) -> Iterator[bytes]:
        """Yield the content as UTF-8 in blocks of some MB, without its byte order mark.

        ``encoding`` is the contract's. Bytes that break it come as bytes that are no UTF-8; what
        they are in the file, for windows-1252 and UTF-8.
        """
        encoding, mark = self.find_encoding(encoding)
        decoder = None
        if encoding != "utf-8":
            errors = "surrogatepass" if encoding.startswith("utf-16") else "surrogateescape"
            decoder = codecs.getincrementaldecoder(encoding)(errors)
        block = self.head[len(mark) :] + self.read(max(0, BLOCK - len(self.head)))
        while block:
            yield block if decoder is None else decoder.decode(block).encode("utf-8", errors)
            block = self.read(BLOCK)
        try:
            if decoder is not None:
                decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            raise self.unreadable("ends in the middle of a character of UTF-16") from None

    def find_encoding(self, said: str) -> tuple[str, bytes]:
        """Return the content's encoding and its byte order mark; what is uncertain is refused."""
        said = said.lower()
        mark, found = next(
            ((mark, name) for mark, name in BYTE_ORDER_MARKS if self.head.startswith(mark)),
            (b"", ""),
        )
        if found == "utf-32":
            raise self.unreadable("is UTF-32, which is not read; save it as UTF-8")
        if said == "utf-16" and not found.startswith("utf-16"):
            raise self.unreadable("has no byte order mark of UTF-16, which its contract says it is")
        if said in ("utf-8", "utf-16"):
            return found or "utf-8", mark
        if found:
            raise self.unreadable(
                f"has a byte order mark of {found[:6].upper()}, but its contract says {said}"
            )
        return said, b""


def directory_bytes(file: BinaryIO) -> int:
    """Return the size of a zip archive's directory, which zipfile reads whole into memory."""
    file.seek(0, 2)
    start = max(0, file.tell() - 2**16 - 120)
    file.seek(start)
    tail = file.read()
    file.seek(0)
    end = tail.rfind(b"PK\x05\x06")
    if end < 0 or len(tail) < end + 22:
        raise EOFError
    size: int = struct.unpack_from("<I", tail, end + 12)[0]
    large = tail.rfind(b"PK\x06\x06", 0, end)
    if large >= 0:
        size = max(0 if size == 2**32 - 1 else size, *struct.unpack_from("<Q", tail, large + 40))
    return size
