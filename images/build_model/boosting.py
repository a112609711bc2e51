"""What gradient boosting needs in the place of logistic regression: dense columns, and few of them.

Numbers reach it scaled as they do logistic regression, which trees do not notice.
"""

from collections.abc import Callable

import numpy as np
from sklearn.base import ClassifierMixin, TransformerMixin
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.preprocessing import OrdinalEncoder

from build_model.encode import WORD, Features

MOST_CODES = 254
WORDS_WIDTH = 64


def make_boosting(seed: int) -> ClassifierMixin:
    """Return the unfitted classifier, with scikit-learn's defaults."""
    # Only where it is wanted: to import it takes longer than a small fit.
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(random_state=seed)


def make_codes() -> OrdinalEncoder:
    """Return what gives each level a number; one that the training rows lack counts as missing."""
    return OrdinalEncoder(
        max_categories=MOST_CODES, handle_unknown="use_encoded_value", unknown_value=np.nan
    )


ENCODERS: dict[str, Callable[[], TransformerMixin]] = {
    "one_hot": make_codes,
    "hashing": make_codes,
    "words": lambda: HashingVectorizer(
        n_features=WORDS_WIDTH, token_pattern=WORD, alternate_sign=False
    ),
}


def find_width(columns: Features) -> int:
    """Return how many columns the features become at most; ``columns`` are their rules."""
    return sum(
        WORDS_WIDTH if rules["type"] == "text" else 2 if rules.get("missing") == "indicator" else 1
        for rules in columns.values()
    )
