"""The ways to separate rows: at random, by time, by group. Each returns which rows are the test's.

What is returned has shape (rows,) and is true for the rows of the test part.
"""

import numpy as np
from sklearn.model_selection import GroupShuffleSplit, train_test_split

from stage import data_refused

# A permutation of all rows takes several times the memory of the rows' numbers.
MOST_AT_ONCE = 2**20
# Groups differ in size: of so many draws, the one whose test part is nearest to what is asked.
GROUP_DRAWS = 20


def split_at_random(
    target: np.ndarray, *, test_size: float, random_state: int, stratify: bool
) -> np.ndarray:
    """Draw the test part as ``train_test_split`` of scikit-learn does, of many rows in blocks.

    ``target`` (0 and 1) has shape (rows,). Too few rows to split are refused (65).
    """
    if len(target) > MOST_AT_ONCE:
        strata = target if stratify else np.zeros_like(target)
        return draw_in_blocks(strata, test_size=test_size, random_state=random_state)
    try:
        _, test_rows = train_test_split(
            np.arange(len(target)),
            test_size=test_size,
            random_state=random_state,
            stratify=target if stratify else None,
        )
    except ValueError as error:
        raise data_refused(f"the {len(target)} rows cannot be separated: {error}") from None
    return mask_of(test_rows, len(target))


def draw_in_blocks(strata: np.ndarray, *, test_size: float, random_state: int) -> np.ndarray:
    """Draw about ``test_size`` of each stratum from each block of ``MOST_AT_ONCE`` rows.

    ``strata`` (0 and 1) has shape (rows,).
    """
    blocks = [strata[first : first + MOST_AT_ONCE] for first in range(0, len(strata), MOST_AT_ONCE)]
    counts = np.array([np.bincount(block, minlength=2) for block in blocks])
    wanted = share_out(counts, test_size=test_size, random_state=random_state)
    drawn = [draw_block(b, wanted[n], random_state, n) for n, b in enumerate(blocks)]
    return np.concatenate(drawn)


def share_out(counts: np.ndarray, *, test_size: float, random_state: int) -> np.ndarray:
    """Return how many rows of each stratum each block gives; both have shape (blocks, 2).

    A block gives each stratum's share of its ``counts``, rounded so that the shares of all blocks
    so far add up to within one row; a random start makes each row of a small stratum as likely as
    any other.
    """
    start = np.random.default_rng(random_state).random(2)
    given = (counts.cumsum(axis=0) * test_size + start).astype(int)
    wanted: np.ndarray = np.diff(given, axis=0, prepend=0)
    return wanted


def draw_block(strata: np.ndarray, wanted: np.ndarray, random_state: int, block: int) -> np.ndarray:
    """Draw ``wanted`` rows, shape (2,), of the strata of a block, which counts from 0.

    Each block has a generator of its own, so that it can be drawn without those before it.
    """
    # A seed that ends in 0 is the seed without it, from which the random start is drawn.
    generator = np.random.default_rng([random_state, block + 1])
    in_test = np.zeros(len(strata), bool)
    for stratum in (0, 1):
        rows = np.flatnonzero(strata == stratum)
        in_test[generator.permutation(rows)[: wanted[stratum]]] = True
    return in_test


def split_by_time(times: np.ndarray, *, test_size: float) -> np.ndarray:
    """Take the newest rows, about ``test_size`` of all, for the test.

    ``times`` has shape (rows,). No moment is in both parts: the cut between two moments is the one
    that comes nearest to the share. Rows that are all of one moment are refused (65).
    """
    moments, counts = np.unique(times, return_counts=True)
    if len(moments) < 2:
        raise data_refused(f"all {len(times)} rows are of one moment; no time separates them")
    shares_from = counts[::-1].cumsum()[::-1] / len(times)
    first_of_test = moments[1:][np.abs(shares_from[1:] - test_size).argmin()]
    newest: np.ndarray = times >= first_of_test
    return newest


def split_by_group(
    groups: np.ndarray, target: np.ndarray, *, test_size: float, random_state: int, stratify: bool
) -> np.ndarray:
    """Draw whole groups for the test.

    ``groups`` and ``target`` (0 and 1) have shape (rows,). With ``stratify`` the part's share of
    the clicks counts as much as its share of the rows. Too few groups are refused (65).
    """

    def distance(test_rows: np.ndarray) -> float:
        test = target[test_rows]
        rows = abs(len(test) / len(target) - test_size)
        clicks = abs(test.sum() / max(1, target.sum()) - test_size) if stratify else 0.0
        return float(rows + clicks)

    draws = GroupShuffleSplit(GROUP_DRAWS, test_size=test_size, random_state=random_state)
    try:
        nearest = min((test for _, test in draws.split(target, groups=groups)), key=distance)
    except ValueError as error:
        count = len(np.unique(groups))
        raise data_refused(f"the {count} groups cannot be separated: {error}") from None
    return mask_of(nearest, len(target))


def mask_of(rows: np.ndarray, total: int) -> np.ndarray:
    """Return an array of ``total`` values that is true at these places."""
    mask = np.zeros(total, bool)
    mask[rows] = True
    return mask
