"""Count the test rows that the training part holds too, in bounded memory."""

from pathlib import Path

import numpy as np
import pyarrow as pa

from batches import is_number

ROWS_AT_ONCE = 2**20
MISSING = np.uint64(0x6D69_7373_696E_6721)


class Duplicates:
    """The rows of both parts, 64 bits each, in files by their first bits.

    Rows are compared by 64 bits mixed of all their values: a table of all distinct rows would need
    far more memory, and two of a million different rows have the same bits once in 10 million
    tables. Equal rows have equal bits, so that each file is counted by itself.
    """

    def __init__(self, folder: Path, rows: int) -> None:
        self.shift = np.uint64(64 - max(1, (rows // ROWS_AT_ONCE).bit_length()))
        self.folder = folder

    def add(self, features: pa.RecordBatch, in_test: np.ndarray) -> None:
        """Take rows of the table; ``in_test``, of shape (rows,), says which are the test's."""
        bits = mix(features)
        for part, rows in (("train", bits[~in_test]), ("test", bits[in_test])):
            first = rows >> self.shift
            for place in np.unique(first):
                with (self.folder / f"{part}-{place}").open("ab") as file:
                    rows[first == place].tofile(file)

    def count(self) -> int:
        """Return how many test rows have the values of some training row."""
        found = 0
        for path in self.folder.glob("test-*"):
            test = np.fromfile(path, np.uint64)
            other = path.with_name(path.name.replace("test", "train"))
            train = np.fromfile(other, np.uint64) if other.exists() else test[:0]
            train.sort()
            # How often each test row stands among the training rows; np.isin takes far longer.
            test.sort()
            times = np.searchsorted(train, test, "right") - np.searchsorted(train, test, "left")
            found += int(np.count_nonzero(times))
        return found


def mix(features: pa.RecordBatch) -> np.ndarray:
    """Return 64 bits for each row, shape (rows,), mixed column by column as splitmix64 does.

    Source: https://prng.di.unimi.it/splitmix64.c
    """
    bits = np.zeros(features.num_rows, np.uint64)
    for column in features.columns:
        bits = (bits + encode(column)) * np.uint64(0x9E3779B97F4A7C15)
        bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        bits ^= bits >> np.uint64(31)
    return bits


def encode(column: pa.Array) -> np.ndarray:
    """Return 64 bits for each value of a column, shape (rows,): the same for equal values."""
    if is_number(column.type):
        numbers = column.fill_null(0).to_numpy() + 0  # -0.0 becomes 0.0
        bits: np.ndarray = numbers.view(np.uint64)
    else:
        coded = column.dictionary_encode(null_encoding="encode")
        # Python's own hash: the same for equal values as long as this process runs.
        hashes = [hash(value) % 2**64 for value in coded.dictionary.to_pylist()]
        bits = np.array(hashes, np.uint64)[coded.indices.to_numpy()]
    if column.null_count:
        bits = np.where(column.is_null().to_numpy(zero_copy_only=False), MISSING, bits)
    return bits
