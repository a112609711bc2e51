"""Write the fuzz target's first corpus: small files of each kind that the door reads."""

from __future__ import annotations

import gzip
import io
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from tests.hostile.fuzz_oracle import HEADER, TEXT

CORPUS = Path(__file__).with_name("corpus")
ROWS = TEXT.removeprefix(HEADER)


def seeds() -> dict[str, bytes]:
    """Return each seed's bytes by its name; the first byte says how it is read."""
    how = b"\x03"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("a.csv", (1980, 1, 1, 0, 0, 0)), TEXT)
    plain = TEXT.encode()
    parquet = io.BytesIO()
    columns = {
        "age": [30, 31], "spent": [5.5, None], "device": ["phone", "desk"],
        "when": pa.array([0, 1], pa.timestamp("us")), "note": ["x", "y"], "click": [0, 1],
    }  # fmt: skip
    pq.write_table(pa.table(columns), parquet, compression="none", write_statistics=False)
    texts = {
        "plain": TEXT,
        "quoted": HEADER + '"30","5.5","a ""b"", c","2025-03-01","x\ny","0"\n' + ROWS,
        "crlf": TEXT.replace("\n", "\r\n"),
        "cr": TEXT.replace("\n", "\r"),
        "blank_end": TEXT + "\n\r\n\n",
        "gap": TEXT.replace("5.5", ""),
        "padded": TEXT.replace("30", " +30\t"),
        "zoned": TEXT.replace("2025-03-01", "2025-03-01T10:00:00.5+02:00").replace(
            "10:00:00,", "10:00:00Z,"
        ),
        "unclosed": TEXT.replace("phone", '"phone'),
        "swallowed": HEADER + ROWS.replace("x", '"x') + ROWS.replace("y", 'y"'),
        "ragged": TEXT + "1,2,3\n",
        "blank_middle": HEADER + "\n" + ROWS,
        "bad_cells": TEXT + "old,1e400,,2025-02-30,z,2\n",
        "header_again": TEXT + HEADER,
        "reordered": "click,more,note,when,device,spent,age\n0,m,x,2025-03-01,a,1,2\n1,m,x,"
        "2025-03-01,a,1,2\n",
        "tiny": TEXT.replace("5.5", "1e-400"),
        "nul": TEXT.replace("x", "x\0"),
    }
    found = {name: how + text.encode() for name, text in texts.items()}
    found |= {
        "small_blocks": b"\x00" + plain,
        "semicolons": b"\x07" + plain.replace(b",", b";"),
        "tabs": b"\x0a" + plain.replace(b",", b"\t"),
        "bom": how + TEXT.encode("utf-8-sig"),
        "utf16_le": how + b"\xff\xfe" + TEXT.encode("utf-16-le"),
        "utf16_be": b"\x01\xfe\xff" + TEXT.encode("utf-16-be"),
        "utf32": how + TEXT.encode("utf-32"),
        "latin1": how + TEXT.replace("x", "caf\u00e9").encode("latin-1"),
        "gzip": how + gzip.compress(plain, mtime=0),
        "gzip_members": how + gzip.compress(plain[:50], mtime=0) + gzip.compress(plain[50:],
                                                                               mtime=0),
        "zstd": how + pa.Codec("zstd").compress(plain, asbytes=True),
        "zip": how + buffer.getvalue(),
        "parquet": how + parquet.getvalue(),
        "empty": how,
        "lenient": b"\x23" + TEXT.encode() + b",,,,,\n1,,,2025-01-01,,1\n",
        "lenient_blank_end": b"\x23" + TEXT.encode() + b"\n\n\n",
        "lenient_blank_middle": b"\x23" + TEXT.encode() + b"\n" + ROWS.encode(),
        "rows": b"\x13" + ROWS.encode(),
        "rows_small_blocks": b"\x10" + ROWS.encode(),
        "rows_quoted": b"\x12" + b'1,"2","a\nb",2025-01-01,"",0\n',
        "rows_tiny": b"\x13" + b"1,1e-99,a,2025-01-01,,0\n",
    }  # fmt: skip
    return found


if __name__ == "__main__":
    CORPUS.mkdir(exist_ok=True)
    for name, content in seeds().items():
        (CORPUS / name).write_bytes(content)
