"""Cases about compressed files: whole, broken, nested, and bombs."""

from __future__ import annotations

import bz2
import functools
import gzip
import io
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator

import pyarrow as pa
from tests.hostile.cases import PLAIN, Case, either, refused, same

TEXT = PLAIN.text().encode()
MIB = 2**20
EPOCH = (1980, 1, 1, 0, 0, 0)


def cases() -> list[Case]:
    """Return the cases of this theme."""
    return [*gzips(), *zstds(), *zips(), *broken_zips(), *others(), *bombs()]


def gzipped(content: bytes, level: int = 6) -> bytes:
    """Return one gzip member, without a time."""
    return gzip.compress(content, compresslevel=level, mtime=0)


@functools.cache
def zstd(content: bytes) -> bytes:
    """Return one zstd frame."""
    return pa.Codec("zstd").compress(content, asbytes=True)


def zip_of(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return a zip file without times."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name, EPOCH), content, method)
    return buffer.getvalue()


def gzips() -> Iterator[Case]:
    """Gzip, whole and broken."""
    whole = gzipped(TEXT)
    half = len(TEXT) // 2
    middle = bytearray(whole)
    middle[len(whole) // 2] ^= 0xFF
    yield same("gzip", "gzip", whole, file="hostile.csv.gz")
    yield same("gzip_named_csv", "gzip with the name of a plain file", whole)
    yield same("csv_named_gz", "a plain file with the name of gzip", TEXT, file="hostile.csv.gz")
    yield same("csv_named_zip", "a plain file with the name of zip", TEXT, file="hostile.zip")
    yield same("csv_named_parquet", "a plain file named Parquet", TEXT, file="hostile.parquet")
    yield same("csv_named_nothing", "a plain file without an ending", TEXT, file="hostile")
    yield same("gzip_members", "two members, cut within a row",
               gzipped(TEXT[:half]) + gzipped(TEXT[half:]))  # fmt: skip
    yield same("gzip_empty_members", "empty members between whole ones",
               gzipped(b"") + whole + gzipped(b"") * 3)  # fmt: skip
    yield same("gzip_member_a_byte", "each byte a member",
               b"".join(gzipped(TEXT[n : n + 1]) for n in range(len(TEXT))))  # fmt: skip
    yield same("gzip_with_name", "a header with a file name that leaves its folder",
               b"\x1f\x8b\x08\x08" + bytes(6) + b"../../x\x1b[2J\0" + whole[10:])  # fmt: skip
    yield same("gzip_of_utf16", "UTF-16 in gzip", gzipped(PLAIN.text().encode("utf-16")))
    yield same("gzip_of_bom_crlf", "a byte order mark and CRLF in gzip",
               gzipped(PLAIN.text("\r\n").encode("utf-8-sig")))  # fmt: skip
    yield refused("gzip_of_nothing", "nothing in gzip", gzipped(b""))
    for name, content in (
        ("cut", whole[: len(whole) // 2]), ("without_its_end", whole[:-8]),
        ("without_its_last_byte", whole[:-1]), ("header_only", whole[:10]), ("magic_only",
        whole[:2]), ("bad_crc", whole[:-8] + b"\0\0\0\0" + whole[-4:]),
        ("bad_length", whole[:-4] + b"\0\0\0\1"), ("bad_byte", bytes(middle)),
        ("bad_method", whole[:2] + b"\x07" + whole[3:]), ("second_member_cut", whole + whole[:30]),
    ):  # fmt: skip
        yield refused(f"gzip_{name}", "gzip that is not whole", content, file="hostile.csv.gz")
    yield either("gzip_reserved_flags", "flags of gzip that nobody has defined",
                 whole[:3] + b"\xe0" + whole[4:])  # fmt: skip
    yield refused("gzip_with_text_behind", "text behind the gzip", whole + TEXT)
    yield refused("gzip_with_garbage_behind", "bytes behind the gzip", whole + b"\xde\xad\xbe\xef")
    yield either(
        "gzip_with_zeros_behind", "zeros behind the gzip, as on a tape", whole + bytes(512)
    )
    yield refused("gzip_of_gzip", "gzip in gzip", gzipped(whole))
    yield refused("gzip_of_zip", "zip in gzip", gzipped(zip_of({"a.csv": TEXT})))
    yield refused("gzip_behind_text", "gzip behind text", TEXT + whole, line=14)
    yield refused("gzip_twice_the_file", "two members, each a whole file with its header",
                  whole + whole, line=14)  # fmt: skip
    yield refused("gzip_of_a_bad_cell", "a bad cell in gzip",
                  gzipped(PLAIN.cell(5, "Age", "old").text().encode()), line=5, column="Age",
                  )  # fmt: skip
    yield refused("zlib_stream", "zlib without gzip's header", zlib.compress(TEXT))
    yield refused("deflate_stream", "deflate without any header", zlib.compress(TEXT)[2:-4])


def zstds() -> Iterator[Case]:
    """Zstandard, whole and broken."""
    whole, half = zstd(TEXT), len(TEXT) // 2
    skippable = b"\x50\x2a\x4d\x18" + struct.pack("<I", 5) + b"hello"
    yield same("zstd", "zstd", whole, file="hostile.csv.zst")
    yield same("zstd_named_csv", "zstd with the name of a plain file", whole)
    yield same("zstd_frames", "two frames, cut within a row", zstd(TEXT[:half]) + zstd(TEXT[half:]))
    yield either("zstd_skippable_frame", "a skippable frame behind the data", whole + skippable)
    yield either("zstd_skippable_frame_first", "a skippable frame in front", skippable + whole)
    yield refused("zstd_of_nothing", "nothing in zstd", zstd(b""))
    for name, content in (
        ("cut", whole[: len(whole) // 2]), ("without_its_last_byte", whole[:-1]),
        ("magic_only", whole[:4]), ("second_frame_cut", whole + whole[:20]),
        ("bad_header", whole[:4] + b"\xff" + whole[5:]),
    ):  # fmt: skip
        yield refused(f"zstd_{name}", "zstd that is not whole", content, file="hostile.csv.zst")
    yield refused("zstd_with_text_behind", "text behind the frame", whole + TEXT)
    yield refused("zstd_of_gzip", "gzip in zstd", zstd(gzipped(TEXT)))
    yield refused("zstd_dictionary", "a frame that needs a dictionary",
                  b"\x28\xb5\x2f\xfd\x23\x39\x30\0\0" + whole[6:])  # fmt: skip


def zips() -> Iterator[Case]:
    """Zip files that hold one table, and those that do not."""
    stored = zipfile.ZIP_STORED
    yield same("zip", "zip with one member", zip_of({"a.csv": TEXT}), file="hostile.zip")
    yield same("zip_named_csv", "zip with the name of a plain file", zip_of({"a.csv": TEXT}))
    yield same("zip_stored", "zip with a stored member", zip_of({"a.csv": TEXT}, stored))
    yield same("zip_member_of_another_ending", "a member named .txt", zip_of({"a.txt": TEXT}))
    yield same("zip_with_a_comment", "zip with a comment of markup", with_comment(b"<b>{{1}}</b>"))
    yield same("zip64", "zip64, as written to a stream of unknown length", zip64(TEXT))
    yield same("zip_data_descriptor", "sizes behind the data, as of a pipe", zip_streamed())
    for name, path in (
        ("slip", "../../evil.csv"), ("slip_backslash", "..\\..\\evil.csv"),
        ("absolute", "/etc/passwd"), ("drive", "C:\\evil.csv"), ("newline", "a\nb.csv"),
        ("ansi", "\x1b[2J.csv"), ("bidi", "\u202evsc.csv"), ("shell", "$(id).csv"),
        ("long", "x" * 5000 + ".csv"), ("dot", "."), ("nested", "a/b/c/d.csv"),
    ):  # fmt: skip
        yield either(f"zip_name_{name}", "the member's name is hostile; nothing is unpacked to it",
                     zip_of({path: TEXT}))  # fmt: skip
    for name, what, members in (
        ("empty", "no member", {}),
        ("two_members", "two members", {"a.csv": TEXT, "b.csv": TEXT}),
        ("member_and_readme", "a table and a note", {"a.csv": TEXT, "README.md": b"hello"}),
        ("folder_only", "a folder and nothing else", {"folder/": b""}),
        ("of_zip", "zip in zip", {"a.zip": zip_of({"a.csv": TEXT})}),
        ("of_gzip", "gzip in zip", {"a.csv.gz": gzipped(TEXT)}),
        ("of_nothing", "an empty member", {"a.csv": b""}),
        ("of_excel", "what a workbook holds", {"[Content_Types].xml": b"<Types/>",
         "xl/workbook.xml": b"<workbook/>", "xl/worksheets/sheet1.xml": b"<worksheet/>"}),
        ("of_ods", "what an OpenDocument table holds",
         {"mimetype": b"application/vnd.oasis.opendocument.spreadsheet", "content.xml": b"<x/>"}),
        ("of_numpy", "what numpy saves", {"arr_0.npy": b"\x93NUMPY\x01\0"}),
    ):  # fmt: skip
        yield refused(f"zip_{name}", what, zip_of(members), file="hostile.zip")
    yield either("zip_folder_and_member", "a folder's entry and one table in it",
                 zip_of({"folder/": b"", "folder/a.csv": TEXT}))  # fmt: skip
    yield either("zip_of_macos", "a table and what macOS adds to it",
                 zip_of({"a.csv": TEXT, "__MACOSX/._a.csv": b"\0\5\x16\7"}))  # fmt: skip
    yield refused("zip_of_a_bad_cell", "a bad cell in zip",
                  zip_of({"a.csv": PLAIN.cell(5, "Age", "old").text().encode()}), line=5,
                  column="Age")  # fmt: skip
    yield refused("zip_many_members", "ten thousand members",
                  lambda: zip_of({f"{n}.csv": b"" for n in range(10_000)}))  # fmt: skip
    for name, method in (("bzip2", zipfile.ZIP_BZIP2), ("lzma", zipfile.ZIP_LZMA)):
        yield either(f"zip_by_{name}", f"a member compressed by {name}",
                     zip_of({"a.csv": TEXT}, method))  # fmt: skip


def broken_zips() -> Iterator[Case]:
    """Zip files whose parts contradict each other."""
    whole = zip_of({"a.csv": TEXT})
    start = whole.index(b"PK\x01\x02")
    crc = struct.pack("<I", zlib.crc32(TEXT))
    size = struct.pack("<I", len(TEXT))
    link = zipfile.ZipInfo("a.csv", EPOCH)
    link.external_attr = 0o120777 << 16
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(link, "/etc/passwd")
    # The bit of the flags that says encrypted, in both headers.
    flags = bytearray(whole)
    flags[6] |= 1
    flags[start + 8] |= 1
    unknown = bytearray(whole)
    unknown[8:10] = unknown[start + 10 : start + 12] = struct.pack("<H", 99)
    for name, what, content in (
        ("cut", "zip cut off", whole[: len(whole) // 2]),
        ("without_directory", "zip without its directory", whole[:start]),
        ("magic_only", "four bytes of zip", whole[:4]),
        ("bad_crc", "a checksum that is wrong", whole.replace(crc, b"\1\2\3\4")),
        ("too_small", "a size that is too small", whole.replace(size, b"\x10\0\0\0")),
        ("too_large", "a size that is too large", whole.replace(size, b"\xff\xff\xff\x7f")),
        ("encrypted", "an encrypted member", bytes(flags)),
        ("unknown_method", "a method that nobody knows", bytes(unknown)),
        ("symbolic_link", "a link to /etc/passwd", buffer.getvalue()),
        ("bad_byte", "a byte changed in the data", flipped(whole, start // 2)),
        ("empty_directory_end", "an end record that says none", b"PK\x05\x06" + bytes(18)),
        ("spanned", "a part of several disks", b"PK\x07\x08" + whole),
        ("other_name_inside", "two names for one member", whole.replace(b"a.csv", b"b.exe", 1)),
    ):
        make = either if name in ("other_name_inside", "spanned", "too_large") else refused
        yield make(f"zip_{name}", what, content, file="hostile.zip")
    yield either("zip_behind_text", "a table with a zip behind it", TEXT + whole)
    yield either("zip_with_garbage_behind", "bytes behind the zip", whole + b"\xde\xad\xbe\xef" * 4)
    yield refused("zip_same_name_twice", "two members of one name", whole_twice())


def flipped(content: bytes, at: int) -> bytes:
    """Return the content with one byte changed."""
    return content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :]


def with_comment(comment: bytes) -> bytes:
    """Return a zip file with a comment."""
    whole = zip_of({"a.csv": TEXT})
    return whole[:-2] + struct.pack("<H", len(comment)) + comment


def whole_twice() -> bytes:
    """Return a zip file whose directory names one member twice."""
    whole = zip_of({"a.csv": TEXT, "b.csv": TEXT})
    return whole.replace(b"b.csv", b"a.csv")


def zip64(*parts: bytes) -> bytes:
    """Return a zip file of one member, with the extra fields of zip64."""
    info = zipfile.ZipInfo("a.csv", EPOCH)
    info.compress_type = zipfile.ZIP_DEFLATED
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(buffer, "w", compresslevel=9) as archive,
        archive.open(info, "w", force_zip64=True) as member,
    ):
        for part in parts:
            member.write(part)
    return buffer.getvalue()


class Pipe(io.RawIOBase):
    """Something that can be written to, but not searched."""

    def __init__(self) -> None:
        self.content = b""

    def writable(self) -> bool:
        return True

    def write(self, content: bytes) -> int:
        self.content += bytes(content)
        return len(content)


def zip_streamed() -> bytes:
    """Return a zip file as a pipe gets it."""
    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("a.csv", EPOCH), TEXT, zipfile.ZIP_DEFLATED)
    return pipe.content


def others() -> Iterator[Case]:
    """Formats that the door need not know; it never takes them for text."""
    yield either("bzip2", "bzip2", bz2.compress(TEXT), file="hostile.csv.bz2")
    yield either("xz", "xz", lzma.compress(TEXT), file="hostile.csv.xz")
    yield either("lzma", "lzma alone", lzma.compress(TEXT, lzma.FORMAT_ALONE), file="h.lzma")
    yield either("lz4_frame", "an lz4 frame", lz4(), file="hostile.csv.lz4")
    yield refused("seven_zip", "7z", b"7z\xbc\xaf\x27\x1c\0\4" + bytes(100), file="hostile.7z")
    yield refused("rar", "rar", b"Rar!\x1a\x07\x01\0" + bytes(100), file="hostile.rar")
    yield refused("compress_z", "compress", b"\x1f\x9d\x90" + bytes(100), file="hostile.csv.Z")
    yield refused("tar", "tar of one file", tar(), file="hostile.tar")
    yield refused("tar_gz", "tar of one file, in gzip", gzipped(tar()), file="hostile.tar.gz")
    yield refused("base64", "base64 of gzip", __import__("base64").b64encode(gzipped(TEXT)))


def lz4() -> bytes:
    """Return an lz4 frame."""
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "lz4") as stream:
        stream.write(TEXT)
    return bytes(sink.getvalue())


def tar() -> bytes:
    """Return a tar file of one member."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        info = tarfile.TarInfo("a.csv")
        info.size = len(TEXT)
        archive.addfile(info, io.BytesIO(TEXT))
    return buffer.getvalue()


def bombs() -> Iterator[Case]:
    """Small files that are huge inside: 1 to 8 GiB, made of one compressed block repeated."""
    zeros, newlines, header = bytes(64 * MIB), b"\n" * (64 * MIB), PLAIN.lines()[0].encode() + b"\n"
    row = PLAIN.lines()[1].encode() + b"\n"
    block = row * (64 * MIB // len(row))
    comma = b"," * (64 * MIB)

    def bomb(pack: Callable[[bytes], bytes], inside: bytes, times: int) -> Callable[[], bytes]:
        return lambda: pack(header) + pack(inside) * times

    for kind, pack in (("gzip", functools.partial(gzipped, level=9)), ("zstd", zstd)):
        for name, inside, times in (
            ("zeros", zeros, 128), ("newlines", newlines, 128), ("commas", comma, 128),
        ):  # fmt: skip
            yield refused(
                f"{kind}_bomb_of_{name}", f"8 GiB of {name} in {kind}", bomb(pack, inside, times),
                file=f"bomb.csv.{kind}", heavy=True,
            )  # fmt: skip
        yield refused(
            f"{kind}_bomb_of_rows", f"8 GiB of good rows in {kind}",
            bomb(pack, block, 128), file=f"bomb.csv.{kind}", heavy=True,
        )  # fmt: skip
        yield refused(
            f"{kind}_bomb_in_a_quote", f"8 GiB of a quoted, unused text in {kind}",
            lambda pack=pack: pack(header + b'1,30,1,1,"') + pack(b"x" * (64 * MIB)) * 128,
            file=f"bomb.csv.{kind}", heavy=True,
        )  # fmt: skip
    yield refused("zip_bomb_of_zeros", "half a GiB of zeros in zip", lambda: zip64(*[zeros] * 8),
                  file="bomb.zip", heavy=True)  # fmt: skip
    yield refused("zip_bomb_of_rows", "half a GiB of good rows in zip",
                 lambda: zip64(header, *[block] * 8), file="bomb.zip", heavy=True)  # fmt: skip
    yield refused("zip_bomb_that_lies", "half a GiB of zeros that the directory calls 100 bytes",
                  lambda: lying(zip64(*[zeros] * 8)), file="bomb.zip", heavy=True)  # fmt: skip


def lying(archive: bytes) -> bytes:
    """Return a zip file whose directory says that its one member has 100 bytes."""
    size = archive.rindex(b"PK\x01\x02") + 24
    return archive[:size] + struct.pack("<I", 100) + archive[size + 4 :]
