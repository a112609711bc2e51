"""The ways to separate rows: at random, by time, by group. Each returns numbers of rows."""

import numpy as np
from sklearn.model_selection import GroupShuffleSplit, train_test_split

from stage import data_refused

# Groups differ in size: of so many draws, the one whose test part is nearest to what is asked.
GROUP_DRAWS = 20

Parts = tuple[np.ndarray, np.ndarray]


def split_at_random(
    target: np.ndarray, *, test_size: float, random_state: int, stratify: bool
) -> Parts:
    """Return the row numbers of the training part and of the test part.

    ``target`` has shape (rows,). Too few rows to split are refused (65).
    """
    try:
        train_rows, test_rows = train_test_split(
            np.arange(len(target)),
            test_size=test_size,
            random_state=random_state,
            stratify=target if stratify else None,
        )
    except ValueError as error:
        raise data_refused(f"the {len(target)} rows cannot be separated: {error}") from None
    return train_rows, test_rows


def split_by_time(times: np.ndarray, *, test_size: float) -> Parts:
    """Return the older rows, then the newest ones, of which there are about ``test_size``.

    ``times`` has shape (rows,). No moment is in both parts: the cut between two moments is the one
    that comes nearest to the share. Rows that are all of one moment are refused (65).
    """
    moments, counts = np.unique(times, return_counts=True)
    if len(moments) < 2:
        raise data_refused(f"all {len(times)} rows are of one moment; no time separates them")
    shares_from = counts[::-1].cumsum()[::-1] / len(times)
    first_of_test = moments[1:][np.abs(shares_from[1:] - test_size).argmin()]
    newest = times >= first_of_test
    return np.flatnonzero(~newest), np.flatnonzero(newest)


def split_by_group(
    groups: np.ndarray, target: np.ndarray, *, test_size: float, random_state: int, stratify: bool
) -> Parts:
    """Return row numbers of both parts, all rows of a group in one of them.

    ``groups`` and ``target`` (0 and 1) have shape (rows,). With ``stratify`` the part's share of
    the clicks counts as much as its share of the rows. Too few groups are refused (65).
    """

    def distance(parts: Parts) -> float:
        test = target[parts[1]]
        rows = abs(len(test) / len(target) - test_size)
        clicks = abs(test.sum() / max(1, target.sum()) - test_size) if stratify else 0.0
        return float(rows + clicks)

    draws = GroupShuffleSplit(GROUP_DRAWS, test_size=test_size, random_state=random_state)
    try:
        parts: Parts = min(draws.split(target, groups=groups), key=distance)
    except ValueError as error:
        count = len(np.unique(groups))
        raise data_refused(f"the {count} groups cannot be separated: {error}") from None
    return parts
