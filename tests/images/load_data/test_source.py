"""What a data file may be packed and encoded as, and how anything else is refused."""

from __future__ import annotations

import gzip
import io
import zipfile

import pyarrow as pa
import pytest

from load_data.source import BOMB_BYTES, Source, UnreadableError, find_form

TEXT = "age,note\n1,é\n"
PLAIN = TEXT.encode()


@pytest.fixture
def read(tmp_path):
    def read(content: bytes, encoding: str = "utf-8") -> str:
        path = tmp_path / "x.csv"
        path.write_bytes(content)
        with Source(path, "x.csv") as source:
            blocks = b"".join(source.text_blocks(encoding))
        return blocks.decode("utf-8", "surrogateescape")

    return read


@pytest.fixture
def refused(read):
    def refused(content: bytes, encoding: str = "utf-8") -> str:
        with pytest.raises(UnreadableError) as raised:
            read(content, encoding)
        assert raised.value.code == 65
        assert str(raised.value) == f"x.csv: {raised.value.rule}"
        return raised.value.rule

    return refused


def zstd(content: bytes) -> bytes:
    return pa.compress(content, "zstd", asbytes=True)


def zipped(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return file.getvalue()


PACKED = {
    "gzip": gzip.compress(PLAIN),
    "gzip_of_two_members": gzip.compress(PLAIN[:5]) + gzip.compress(PLAIN[5:]),
    "gzip_padded_with_zeros": gzip.compress(PLAIN) + bytes(8),
    "zstd": zstd(PLAIN),
    "zstd_of_two_frames": zstd(PLAIN[:5]) + zstd(PLAIN[5:]),
    "zstd_with_a_skippable_frame": b"\x50\x2a\x4d\x18\x03\0\0\0abc" + zstd(PLAIN),
    "zip": zipped(("a.csv", PLAIN)),
    "zip_stored": zipped(("a.csv", PLAIN), method=zipfile.ZIP_STORED),
    "zip_in_a_folder": zipped(("data/", b""), ("data/a.csv", PLAIN)),
    "zip_of_a_mac": zipped(("a.csv", PLAIN), ("__MACOSX/._a.csv", b"x")),
    "zip_of_an_evil_name": zipped(("../../etc/$(id)\n", PLAIN)),
}


@pytest.mark.parametrize("packed", PACKED.values(), ids=PACKED)
def test_packing_does_not_matter(read, packed):
    assert read(packed) == TEXT


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (b"\xef\xbb\xbf" + PLAIN, "utf-8"),
        (TEXT.encode("utf-16"), "utf-8"),
        (b"\xfe\xff" + TEXT.encode("utf-16-be"), "utf-8"),
        (TEXT.encode("utf-16"), "utf-16"),
        (TEXT.encode("latin-1"), "latin-1"),
        (TEXT.encode("windows-1252"), "windows-1252"),
        (TEXT.encode("latin-1"), "LATIN-1"),
        (gzip.compress(TEXT.encode("utf-16"), mtime=0), "utf-8"),
    ],
)
def test_encoding_that_is_certain_does_not_matter(read, content, encoding):
    assert read(content, encoding) == TEXT


def test_long_utf16_is_read_across_blocks(read):
    text = "ab\U0001f600\n" * 900_001
    assert read(text.encode("utf-16")) == text


def test_bytes_that_break_the_encoding_reach_the_reader(read):
    assert read(b"a\x81\x9db", "windows-1252") == "a\udc81\udc9db"
    assert read(b"a\xffb") == "a\udcffb"


@pytest.mark.parametrize(
    ("content", "encoding", "rule"),
    [
        (TEXT.encode("utf-32"), "utf-8", "is UTF-32, which is not read; save it as UTF-8"),
        (TEXT.encode("utf-16") + b"x", "utf-8", "ends in the middle of a character of UTF-16"),
        (PLAIN, "utf-16", "has no byte order mark of UTF-16, which its contract says it is"),
        (
            b"\xef\xbb\xbf" + PLAIN,
            "latin-1",
            "has a byte order mark of UTF-8, but its contract says latin-1",
        ),
        (
            TEXT.encode("utf-16"),
            "windows-1252",
            "has a byte order mark of UTF-16, but its contract says windows-1252",
        ),
    ],
)
def test_encoding_that_is_uncertain_is_refused(refused, content, encoding, rule):
    assert refused(content, encoding) == rule


ENCRYPTED = bytearray(PACKED["zip"])
ENCRYPTED[ENCRYPTED.find(b"PK\1\2") + 8] |= 1
OTHER = "which is not read; use plain, gzip, zstd, zip or Parquet"
REFUSED = {
    "gzip_cut": (PACKED["gzip"][:-3], "the gzip file is cut off"),
    "gzip_of_a_header": (b"\x1f\x8b\x08", "the gzip file is cut off"),
    "gzip_crc": (PACKED["gzip"][:-8] + b"abcd" + PACKED["gzip"][-4:], "is damaged: CRC check"),
    "gzip_garbage": (PACKED["gzip"] + b"xx", "the gzip file is damaged: Not a gzipped file"),
    "gzip_data": (PACKED["gzip"][:12] + b"\xff\xff" + PACKED["gzip"][14:], "is damaged: Error -3"),
    "zstd_cut": (PACKED["zstd"][:-3], "the zstd file is cut off"),
    "zstd_garbage": (PACKED["zstd"] + b"xx", "the zstd file is damaged: ZSTD decompress failed"),
    "zip_cut": (PACKED["zip"][:-5], "the zip file is cut off"),
    "zip_crc": (PACKED["zip_stored"].replace(b"1,", b"2,"), "is damaged: Bad CRC-32"),
    "zip_of_two": (zipped(("a", b""), ("b", b"")), "is a zip archive of 2 files; it must hold one"),
    "zip_of_none": (zipped(), "is a zip archive of 0 files; it must hold one"),
    "zip_of_a_folder": (zipped(("a/", b"")), "is a zip archive of 0 files; it must hold one"),
    "zip_of_many": (
        zipped(*((f"{n:0>60000}", b"") for n in range(18))),
        "is a zip archive of too many files; it must hold one",
    ),
    "zip_encrypted": (bytes(ENCRYPTED), "is an encrypted zip archive; unpack it first"),
    "zip_by_lzma": (
        zipped(("a", PLAIN), method=zipfile.ZIP_LZMA),
        "is a zip archive that is not packed by deflate; pack it so",
    ),
    "excel": (
        zipped(("[Content_Types].xml", b""), ("xl/workbook.xml", b"")),
        "is an Excel workbook, which is not read; save it as CSV",
    ),
    "open_document": (
        zipped(("mimetype", b""), ("content.xml", b"")),
        "is a spreadsheet, which is not read; save it as CSV",
    ),
    "bzip2": (b"BZh91AY&SY", f"is bzip2, {OTHER}"),
    "xz": (b"\xfd7zXZ\0", f"is xz, {OTHER}"),
    "7z": (b"7z\xbc\xaf\x27\x1c", f"is 7z, {OTHER}"),
    "old_excel": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", f"is an Excel 97 workbook, {OTHER}"),
    "zip_in_gzip": (
        gzip.compress(PACKED["zip"]),
        "is zip inside gzip; use plain, gzip, zstd, zip or Parquet",
    ),
    "gzip_twice": (
        gzip.compress(PACKED["gzip"]),
        "is gzip inside gzip; use plain, gzip, zstd, zip or Parquet",
    ),
}


@pytest.mark.parametrize(("content", "rule"), REFUSED.values(), ids=REFUSED)
def test_packing_that_is_broken_or_foreign_is_refused(refused, content, rule):
    assert rule in refused(content)


@pytest.mark.parametrize("pack", [gzip.compress, zstd])
def test_file_that_unpacks_to_far_more_is_refused(refused, pack):
    rule = refused(pack(b"1,2\n" * (BOMB_BYTES // 4 + 1)))
    assert rule == "unpacks to over 200 times its size; unpack it first if that is right"


def test_small_file_may_unpack_to_much(read):
    text = "1,2\n" * 1_000_000
    assert len(gzip.compress(text.encode())) * 200 < len(text)
    assert read(gzip.compress(text.encode())) == text


@pytest.mark.parametrize("text", [b"", b"PAR1,b\n", b"BZh,b\n", b"ORCID,b\n", b"PK,b\n", b"7z,b\n"])
def test_text_that_begins_like_a_magic_is_text(text):
    assert find_form(text) is None
