"""Cases about bytes: which text they are, and what is no text."""

from __future__ import annotations

import codecs
from collections.abc import Iterator

from tests.hostile.cases import CONTRACTS, PLAIN, Case, either, refused, same

TEXT = PLAIN.text()
# With letters beyond ASCII in unused cells only, so that the used columns stay the plain file's.
LETTERS = PLAIN.cell(4, "City", "Malm\u00f6").cell(8, "Country", "C\u00f4te d'Ivoire").text()
WORLD = PLAIN.cell(4, "City", "\u6771\u4eac").cell(8, "Country", "\U0001f1e9\U0001f1ea").text()
BAD_BYTES = {
    "latin_1_letter": b"caf\xe9",
    "continuation_alone": b"a\x80b",
    "lead_byte_alone": b"a\xc3",
    "cut_three_bytes": b"\xe6\x9d",
    "cut_four_bytes": b"\xf0\x9f\x98",
    "overlong_slash": b"\xc0\xaf",
    "overlong_nul": b"\xc0\x80",
    "overlong_quote": b"\xc0\xa2",
    "overlong_comma": b"\xe0\x80\xac",
    "surrogate": b"\xed\xa0\x80",
    "surrogate_pair": b"\xed\xa0\xbd\xed\xb8\x80",
    "beyond_unicode": b"\xf4\x90\x80\x80",
    "five_bytes": b"\xf8\x88\x80\x80\x80",
    "ff": b"\xff\xfe",
    "windows_quotes": b"\x93hi\x94",
    "shift_jis": "\u6771".encode("shift_jis"),
    "utf_16_word": "ab".encode("utf-16-le"),
}


def cases() -> list[Case]:
    """Return the cases of this theme."""
    return [*unambiguous(), *foreign(), *bad_bytes(), *marks(), *declared()]


def unambiguous() -> Iterator[Case]:
    """Encodings that say what they are."""
    for name, text in (("ascii", TEXT), ("letters", LETTERS), ("world", WORLD)):
        yield same(f"utf8_{name}", "UTF-8", text)
        yield same(f"utf8_bom_{name}", "UTF-8 with a byte order mark", text.encode("utf-8-sig"))
        for order, mark in (("le", codecs.BOM_UTF16_LE), ("be", codecs.BOM_UTF16_BE)):
            yield same(
                f"utf16_{order}_bom_{name}", "UTF-16 with a byte order mark",
                mark + text.encode(f"utf-16-{order}"),
            )  # fmt: skip
    crlf = codecs.BOM_UTF16_LE + WORLD.replace("\n", "\r\n").encode("utf-16-le")
    yield same("utf16_crlf", "UTF-16, CRLF, as Excel's Unicode text", crlf)
    quoted = PLAIN.each(lambda cell: f'"{cell}"').text("\r\n")
    yield same("utf8_bom_all_quoted", "a byte order mark and a quote follow each other",
               quoted.encode("utf-8-sig"))  # fmt: skip
    yield same("utf16_all_quoted", "UTF-16, all quoted", quoted.encode("utf-16"))
    # Characters whose UTF-16 bytes are those of a comma, a quote or a line end.
    tricky = PLAIN.cell(4, "City", "\u2c2c\u2222\u0a0a\u0d0d\u0a0d\u220a").text()
    for order, mark in (("le", codecs.BOM_UTF16_LE), ("be", codecs.BOM_UTF16_BE)):
        yield same(
            f"utf16_{order}_bytes_of_delimiters", "characters made of the bytes of , \" LF CR",
            mark + tricky.encode(f"utf-16-{order}"),
        )  # fmt: skip


def foreign() -> Iterator[Case]:
    """Encodings that the contract does not name."""
    for name, encoding in (
        ("utf16_le_without_bom", "utf-16-le"), ("utf16_be_without_bom", "utf-16-be"),
        ("utf32_le", "utf-32-le"), ("utf32_be", "utf-32-be"), ("utf32_bom", "utf-32"),
        ("ebcdic", "cp500"), ("ebcdic_german", "cp273"), ("utf7_names", "utf-7"),
    ):  # fmt: skip
        text = LETTERS if name != "utf7_names" else PLAIN.renamed("Age", "\u00c4ge").text()
        yield refused(name, f"{encoding}, which nothing in the file tells", text.encode(encoding),
                      line=None if "32_bom" in name else 1)  # fmt: skip
    mark = codecs.BOM_UTF32_BE
    yield refused("utf32_be_bom", "UTF-32 with a byte order mark", mark + TEXT.encode("utf-32-be"))
    for name, encoding in (("latin1", "latin-1"), ("cp1252", "cp1252"), ("mac", "mac-roman"),
                           ("cp850", "cp850")):  # fmt: skip
        yield either(
            f"{name}_in_unused_columns", f"{encoding}, letters in unused columns only",
            LETTERS.encode(encoding), line=4, column="City",
        )  # fmt: skip
        yield refused(
            f"{name}_in_a_used_column", f"{encoding} in a feature",
            PLAIN.cell(5, "Age", "33\u00e9").text().encode(encoding), line=5, column="Age",
        )  # fmt: skip
        yield refused(
            f"{name}_in_a_feature_name", f"{encoding} in the name of a feature",
            PLAIN.renamed("Age", "\u00c4ge").text().encode(encoding), line=1,
        )  # fmt: skip
    for name, encoding in (("shift_jis", "shift_jis"), ("gb18030", "gb18030"), ("euc_kr", "euc_kr"),
                           ("big5", "big5")):  # fmt: skip
        text = PLAIN.cell(4, "City", "\u4e2d\u6587").text()
        yield either(f"{name}_in_unused_columns", f"{encoding} in an unused column",
                     text.encode(encoding), line=4, column="City")  # fmt: skip
    mixed = LETTERS.encode("latin-1").replace(b"C\xf4te", "C\u00f4te".encode())
    yield either("mixed_latin1_and_utf8", "two encodings in one file, in unused columns", mixed,
                 line=4, column="City")  # fmt: skip
    half = TEXT.encode("utf-16")
    lines = TEXT.splitlines(keepends=True)
    yield refused("utf8_behind_utf16", "a UTF-16 file with UTF-8 appended",
                  half + lines[3].encode() + b"\n")  # fmt: skip
    yield refused("utf16_behind_utf8", "a UTF-8 file with UTF-16 appended",
                  TEXT.encode() + "".join(lines[1:]).encode("utf-16"), line=14)  # fmt: skip
    yield refused("utf16_of_odd_length", "UTF-16, cut in the middle of a character", half[:-1])
    yield refused("utf16_half_a_pair", "UTF-16 with half a surrogate pair in a feature",
                  half.replace("33".encode("utf-16-le"), b"\x3d\xd8", 1))  # fmt: skip
    yield refused("utf16_wrong_mark", "UTF-16 of the other byte order than its mark says",
                  codecs.BOM_UTF16_BE + TEXT.encode("utf-16-le"))  # fmt: skip
    for name, magic in (
        ("png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"), ("pdf", b"%PDF-1.7\n%\xe2\xe3"),
        ("elf", b"\x7fELF\x02\x01\x01" + bytes(100)), ("sqlite", b"SQLite format 3\0" + bytes(100)),
        ("pickle", b"\x80\x05\x95" + bytes(50)), ("ole_xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
        ("arrow", b"ARROW1\0\0" + bytes(64)), ("orc", b"ORC" + bytes(64)), ("avro", b"Obj\x01"),
        ("hdf5", b"\x89HDF\r\n\x1a\n" + bytes(64)), ("rtf", b"{\\rtf1 Age}"),
        ("random", bytes(n * 197 % 251 for n in range(4096))), ("wasm", b"\0asm\x01\0\0\0"),
    ):  # fmt: skip
        yield refused(f"binary_{name}", f"no table at all: {name}", magic)


def bad_bytes() -> Iterator[Case]:
    """Bytes that are no UTF-8."""
    for name, bad in BAD_BYTES.items():
        unused = PLAIN.cell(4, "City", "@@").text().encode().replace(b"@@", bad)
        yield same(f"bytes_{name}_unused", "bytes that are no UTF-8 in an unused column", unused)
        used = PLAIN.cell(4, "Age", "3@@").text().encode().replace(b"@@", bad)
        yield refused(
            f"bytes_{name}_feature", "bytes that are no UTF-8 in a feature", used, line=4,
            column="Age",
        )  # fmt: skip
        header = PLAIN.text().encode().replace(b"Age", b"Age" + bad, 1)
        yield refused(f"bytes_{name}_name", "bytes that are no UTF-8 in a feature's name", header,
                      line=1)  # fmt: skip
    yield refused(
        "bytes_at_the_very_end", "the file ends in half a character", TEXT.encode() + b"\xe2\x82",
        line=14,
    )  # fmt: skip
    shop = CONTRACTS["shop"][1].cell(5, "device", "@@").text().encode()
    yield refused("bytes_in_a_category", "bytes that are no UTF-8 in a category",
                  shop.replace(b"@@", b"caf\xe9"), line=5, column="device", contract="shop",
                  )  # fmt: skip
    words = CONTRACTS["shop"][1].cell(5, "words", "@@").text().encode()
    yield refused("bytes_in_words", "bytes that are no UTF-8 in a text feature",
                  words.replace(b"@@", b"caf\xe9"), line=5, column="words", contract="shop",
                  )  # fmt: skip
    yield same("bytes_in_an_unknown_name", "bytes that are no UTF-8 in an unknown column's name",
               PLAIN.with_column("@@", "1").text().encode().replace(b"@@", b"caf\xe9"),
               )  # fmt: skip
    far = PLAIN.text().encode() + b"".join(
        line.encode() + b"\n" for line in PLAIN.lines()[1:] * 5000
    )
    yield refused("bytes_far_down", "a byte that is no UTF-8 in a feature 60000 lines down",
                  lambda: far + PLAIN.lines()[1].encode().replace(b"30", b"3\xff"),
                  line=60_014, column="Age")  # fmt: skip


def marks() -> Iterator[Case]:
    """Byte order marks where they do not belong."""
    bom = b"\xef\xbb\xbf"
    yield refused("bom_twice", "two byte order marks", bom + bom + TEXT.encode(), line=1)
    yield refused(
        "bom_in_a_feature", "a byte order mark in a feature",
        PLAIN.cell(5, "Age", "\ufeff33").text(), line=5, column="Age",
    )  # fmt: skip
    yield refused("bom_behind_a_newline", "a byte order mark on the second line",
                  b"\n" + bom + TEXT.encode())  # fmt: skip
    yield refused("bom_of_a_second_file", "two files with marks, one behind the other",
                  (bom + TEXT.encode()) * 2, line=14)  # fmt: skip
    yield same("bom_in_an_unused_cell", "a byte order mark in an unused cell",
               PLAIN.cell(5, "City", "\ufeffTown").text())  # fmt: skip
    yield refused("bom_utf8_before_utf16", "a UTF-8 mark in front of UTF-16",
                  bom + TEXT.encode("utf-16-le"), line=1)  # fmt: skip
    yield refused("bom_utf7", "a mark of UTF-7", b"+/v8-" + TEXT.encode(), line=1)
    yield refused("bom_gb18030", "a mark of GB 18030", b"\x84\x31\x95\x33" + TEXT.encode(), line=1)


def declared() -> Iterator[Case]:
    """Files in, and not in, the encoding that their contract names."""
    letters = CONTRACTS["latin"][1].cell(5, "device", "caf\u00e9")
    holds = ((3, "device", "caf\u00e9"),)
    for contract, encoding in (("latin", "latin-1"), ("windows", "cp1252"), ("wide", "utf-16")):
        yield same(f"declared_{contract}", f"the contract says {encoding}, and so it is",
                   letters.text().encode(encoding), contract=contract, holds=holds)  # fmt: skip
    yield same("declared_utf16_be", "the contract says utf-16, the mark says which",
               codecs.BOM_UTF16_BE + letters.text().encode("utf-16-be"), contract="wide",
               holds=holds)  # fmt: skip
    yield refused("declared_utf16_but_utf8", "the contract says utf-16, the file is UTF-8",
                  letters.text(), contract="wide")  # fmt: skip
    yield refused("declared_utf16_without_bom", "the contract says utf-16, there is no mark",
                  letters.text().encode("utf-16-le"), contract="wide")  # fmt: skip
    for contract in ("latin", "windows"):
        yield refused(
            f"declared_{contract}_but_utf8_bom", "the file's mark contradicts the contract",
            letters.text().encode("utf-8-sig"), contract=contract,
        )  # fmt: skip
        yield refused(
            f"declared_{contract}_but_utf16", "the file's mark contradicts the contract",
            letters.text().encode("utf-16"), contract=contract,
        )  # fmt: skip
    undefined = letters.cell(6, "device", "@@").text().encode("cp1252").replace(b"@@", b"a\x81b")
    yield refused("declared_windows_undefined_byte", "a byte that windows-1252 does not define",
                  undefined, contract="windows", line=6, column="device")  # fmt: skip
    euro = letters.cell(6, "device", "5\u20ac")
    yield same("declared_windows_euro", "a byte that windows-1252 and latin-1 read differently",
               euro.text().encode("cp1252"), contract="windows",
               holds=(*holds, (4, "device", "5\u20ac")))  # fmt: skip
