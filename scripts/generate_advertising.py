"""Make shared_volume/data/advertising.csv: 1000 invented users, each shown one advertisement.

The sample is as hard to predict as the well-known public data set of the same columns, whose
published statistics (means, standard deviations and correlations within each class, and a logistic
regression of the class) are the constants below. No row is taken from it. Two steps:

1. The four numbers are drawn from one normal distribution a class, 500 rows each, drawn again
   while outside the ranges of the data set.
2. The class is then drawn anew from the logistic regression. Kept as drawn in step 1, the classes
   would separate almost perfectly and flatter every model.

Texts, times and ``Male`` are independent of the class. The same seed gives the same bytes:

    python scripts/generate_advertising.py > shared_volume/data/advertising.csv
"""

import csv
import sys
from datetime import UTC, datetime, timedelta

import numpy as np

SEED = 2016
ROWS_PER_CLASS = 500

NUMBERS = ("Daily Time Spent on Site", "Age", "Area Income", "Daily Internet Usage")
LOW = np.array([32.60, 19, 13996.50, 104.78])
HIGH = np.array([91.43, 61, 79484.80, 269.96])
# Of each class, 0 then 1: means, standard deviations, correlations, in the order of NUMBERS.
MEANS = np.array([[76.855, 31.684, 61385.59, 214.514], [53.146, 40.334, 48614.41, 145.486]])
DEVIATIONS = np.array([[7.560, 6.213, 8904.06, 23.874], [12.822, 8.857, 14116.24, 30.026]])
CORRELATIONS = np.array(
    [
        [
            [1, 0.250, -0.308, -0.174],
            [0.250, 1, 0.275, 0.207],
            [-0.308, 0.275, 1, -0.184],
            [-0.174, 0.207, -0.184, 1],
        ],
        [
            [1, -0.013, 0.008, -0.171],
            [-0.013, 1, -0.024, -0.057],
            [0.008, -0.024, 1, -0.011],
            [-0.171, -0.057, -0.011, 1],
        ],
    ]
)
# logit P(click) = intercept + weights . (x - centre) / scale
INTERCEPT = 1.855
WEIGHTS = np.array([-3.039, 1.499, -1.814, -2.804])
CENTRE = np.array([65.0002, 36.009, 55000.00, 180.0001])
SCALE = np.array([15.846, 8.781, 13407.9, 43.880])
SHARE_MALE = 0.481

HEADER = (
    "Daily Time Spent on Site", "Age", "Area Income", "Daily Internet Usage", "Ad Topic Line",
    "City", "Male", "Country", "Timestamp", "Clicked on Ad",
)  # fmt: skip
ADJECTIVES = (
    "Quiet", "Bright", "Sturdy", "Gentle", "Swift", "Honest", "Golden", "Simple", "Clever",
    "Fresh", "Warm", "Bold",
)  # fmt: skip
MATERIALS = (
    "oak", "linen", "copper", "wool", "glass", "clay", "cotton", "silver", "maple", "paper",
    "stone", "velvet",
)  # fmt: skip
THINGS = (
    "lamps", "kettles", "boots", "journals", "chairs", "clocks", "tents", "bicycles", "teas",
    "maps", "radios", "kites",
)  # fmt: skip
CITY_STARTS = (
    "Ash", "Brook", "Clear", "Dun", "East", "Fair", "Glen", "Hart", "King", "Lake", "Mill",
    "North", "Oak", "Stone", "West",
)  # fmt: skip
CITY_ENDS = (
    "borough", "bridge", "bury", "dale", "field", "ford", "ham", "haven", "mouth", "port",
    "stead", "ton", "view", "wick",
)  # fmt: skip
COUNTRIES = (
    "Argentina", "Australia", "Austria", "Belgium", "Bolivia", "Brazil", "Cameroon", "Canada",
    "Chile", "Colombia", "Cote d'Ivoire", "Denmark", "Ecuador", "Egypt", "Estonia", "Fiji",
    "Finland", "France", "Germany", "Ghana", "Greece", "Iceland", "India", "Indonesia", "Ireland",
    "Italy", "Jamaica", "Japan", "Kenya", "Latvia", "Malta", "Mexico", "Morocco", "Nepal",
    "New Zealand", "Nigeria", "Norway", "Peru", "Poland", "Portugal", "Samoa", "Senegal",
    "South Africa", "Spain", "Sweden", "Trinidad & Tobago", "Tunisia", "Uruguay", "Vietnam",
)  # fmt: skip
FIRST_TIME = datetime(2025, 1, 1, tzinfo=UTC)
SPAN_SECONDS = 204 * 24 * 3600


def draw_numbers(random: np.random.Generator, per_class: int = ROWS_PER_CLASS) -> np.ndarray:
    """Return the four numbers, shape (rows, 4), both classes mixed, inside the ranges."""
    rows = []
    for mean, deviation, correlation in zip(MEANS, DEVIATIONS, CORRELATIONS, strict=True):
        covariance = np.outer(deviation, deviation) * correlation
        kept = np.empty((0, len(NUMBERS)))
        while len(kept) < per_class:
            drawn = random.multivariate_normal(mean, covariance, per_class)
            inside = ((drawn >= LOW) & (drawn <= HIGH)).all(axis=1)
            kept = np.vstack([kept, drawn[inside]])
        rows.append(kept[:per_class])
    return random.permutation(np.vstack(rows))


def draw_clicks(random: np.random.Generator, numbers: np.ndarray) -> np.ndarray:
    """Return the class of each row, shape (rows,), 1 for a click."""
    logit = INTERCEPT + (numbers - CENTRE) / SCALE @ WEIGHTS
    clicks: np.ndarray = random.random(len(numbers)) < 1 / (1 + np.exp(-logit))
    return clicks.astype(int)


def draw_rows(random: np.random.Generator) -> list[list[str]]:
    """Return the rows as the file holds them, in the order of HEADER."""
    numbers = draw_numbers(random)
    clicks = draw_clicks(random, numbers)
    males = (random.random(len(numbers)) < SHARE_MALE).astype(int)
    seconds = random.choice(SPAN_SECONDS, size=len(numbers), replace=False)
    rows = []
    for number, click, male, second in zip(numbers, clicks, males, seconds, strict=True):
        time_on_site, age, income, usage = number
        rows.append(
            [
                f"{time_on_site:.2f}",
                f"{age:.0f}",
                f"{income:.2f}",
                f"{usage:.2f}",
                " ".join(random.choice(words) for words in (ADJECTIVES, MATERIALS, THINGS)),
                random.choice(CITY_STARTS) + random.choice(CITY_ENDS),
                str(male),
                str(random.choice(COUNTRIES)),
                f"{FIRST_TIME + timedelta(seconds=int(second)):%Y-%m-%d %H:%M:%S}",
                str(click),
            ]
        )
    return rows


def main() -> None:
    """Write the file to standard output."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(HEADER)
    writer.writerows(draw_rows(np.random.default_rng(SEED)))


if __name__ == "__main__":
    main()
