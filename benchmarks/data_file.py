"""Write a data file of any size with the columns of the bundled sample, in its contract.

The rows are drawn as scripts/generate_advertising.py draws them, some at a time, so that memory
does not grow with the file. The same rows and seed give the same bytes.
"""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

ROOT = Path(__file__).resolve().parent.parent
CHUNK_ROWS = 250_000


def write_dataset(volume: Path, dataset: str, rows: int, seed: int = 1) -> Path:
    """Write ``data/<dataset>.csv`` with its contract on a volume and return the file's path.

    The contract is the bundled sample's but for the path.
    """
    sample = (ROOT / "shared_volume" / "data" / "advertising.toml").read_text()
    path = volume / "data" / f"{dataset}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    contract = sample.replace('path = "data/advertising.csv"', f'path = "data/{dataset}.csv"')
    path.with_suffix(".toml").write_text(contract)
    write_rows(path, rows, seed)
    return path


def write_rows(path: Path, rows: int, seed: int) -> None:
    """Write the CSV file."""
    generator = runpy.run_path(str(ROOT / "scripts" / "generate_advertising.py"))
    plain = pa_csv.WriteOptions(include_header=False, quoting_style="none")
    with path.open("wb") as file:
        file.write(",".join(generator["HEADER"]).encode() + b"\n")
        for number, start in enumerate(range(0, rows, CHUNK_ROWS)):
            random = np.random.default_rng([seed, number])
            table = draw_table(generator, random, min(CHUNK_ROWS, rows - start))
            pa_csv.write_csv(table, file, plain)


def draw_table(generator: dict[str, Any], random: np.random.Generator, rows: int) -> pa.Table:
    """Return rows with the sample's columns; ``generator`` is what its script defines."""
    numbers = generator["draw_numbers"](random, (rows + 1) // 2)[:rows].round(2)
    clicks = generator["draw_clicks"](random, numbers)
    words = [generator[name] for name in ("ADJECTIVES", "MATERIALS", "THINGS")]
    topics = [f"{a} {b} {c}" for a in words[0] for b in words[1] for c in words[2]]
    cities = [a + b for a in generator["CITY_STARTS"] for b in generator["CITY_ENDS"]]
    seconds = random.integers(generator["SPAN_SECONDS"], size=rows)
    first = np.datetime64(generator["FIRST_TIME"].replace(tzinfo=None), "s")
    columns = [
        numbers[:, 0],
        numbers[:, 1].round().astype(np.int64),
        numbers[:, 2],
        numbers[:, 3],
        draw_texts(random, topics, rows),
        draw_texts(random, cities, rows),
        (random.random(rows) < generator["SHARE_MALE"]).astype(np.int64),
        draw_texts(random, generator["COUNTRIES"], rows),
        first + seconds.astype("timedelta64[s]"),
        clicks,
    ]
    return pa.table(dict(zip(generator["HEADER"], columns, strict=True)))


def draw_texts(random: np.random.Generator, texts: tuple[str, ...] | list[str], rows: int) -> Any:
    """Return a column of texts."""
    return pa.array(texts).take(pa.array(random.integers(len(texts), size=rows)))
