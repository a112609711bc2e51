"""Make shared_volume/data/impressions.csv: 16,000 invented views of banners, 2 % of them clicked.

It is the other kind of data set than advertising.csv: a log of what was shown to whom and when, of
categories rather than numbers, with cells that are missing, and with few clicks. Whether a view is
clicked is drawn from a logistic model of its row, of the page's and the campaign's own appeal, and
of the visitor's own inclination, which no column holds. The same seed gives the same bytes:

    python scripts/generate_impressions.py > shared_volume/data/impressions.csv
"""

import csv
import sys
from datetime import UTC, datetime, timedelta

import numpy as np

SEED = 468
ROWS = 16_000
VISITORS = 5_000
PAGES = 240
CAMPAIGNS = 130
FIRST_TIME = datetime(2026, 3, 2, tzinfo=UTC)
SPAN_SECONDS = 42 * 24 * 3600

HEADER = (
    "shown_at", "visitor", "page", "campaign", "slot", "device", "browser", "days_since_visit",
    "seconds_on_page", "bid_eur", "headline", "clicked",
)  # fmt: skip
INTERCEPT = -5.7
# Levels with how often each is drawn, and what it adds to the log-odds of a click. The slots are
# numbers in name only: the third is the best one.
SLOTS = {"1": (0.30, 0.3), "2": (0.25, -0.2), "3": (0.15, 0.9), "7": (0.20, -0.5), "11": (0.10, 0)}
DEVICES = {"phone": (0.58, 0.35), "tablet": (0.12, 0.0), "desktop": (0.30, -0.45)}
BROWSERS = {
    "Chromium": (0.52, 0.0),
    "Firefox": (0.14, -0.6),
    "Safari": (0.24, 0.3),
    "Opera": (0.02, 0.0),
    "NA": (0.08, -0.9),
}
PAGE_DEVIATION = 0.9
CAMPAIGN_DEVIATION = 0.8
VISITOR_DEVIATION = 0.5
SHARE_NEW_VISITORS = 0.35
SHARE_UNTIMED = 0.06

THINGS = (
    "Schuhe für draußen", "crème brûlée", "Zelte", "smörgåsbord", "paños de cocina", "kettles",
    "Kopfhörer", "łyżwy", "vélos d'occasion", "teas from 喜界島", "čokoláda", "lamps",
)  # fmt: skip
PHRASES = (
    '{}: "nur heute"', "{}; now 20% off", "Neu — {}", "{}, {}", "Why wait? {}", "<b>{}</b>",
    "{} & more", "={}", "{}; {}; {}",
)  # fmt: skip


def draw_levels(
    random: np.random.Generator, levels: dict[str, tuple[float, float]]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the level of each row and what it adds to the log-odds, both of shape (rows,)."""
    names = np.array(list(levels))
    shares, effects = np.array(list(levels.values())).T
    drawn = random.choice(len(levels), ROWS, p=shares)
    return names[drawn], effects[drawn]


def draw_codes(
    random: np.random.Generator, count: int, deviation: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return a number below ``count`` for each row, few of them often, and what it adds."""
    popularity = random.pareto(1.5, count) + 0.2
    codes = random.choice(count, ROWS, p=popularity / popularity.sum())
    return codes, random.normal(0, deviation, count)[codes]


def draw_headline(random: np.random.Generator) -> str:
    """Return a headline with all that makes a cell hard to read: quotes, delimiters, letters."""
    phrase = str(random.choice(PHRASES))
    return phrase.format(*random.choice(THINGS, phrase.count("{}"), replace=False))


def draw_rows(random: np.random.Generator) -> list[list[str]]:
    """Return the rows as the file holds them, in the order of time and of HEADER."""
    seconds = np.sort(random.integers(0, SPAN_SECONDS, ROWS))
    visitors, inclination = draw_codes(random, VISITORS, VISITOR_DEVIATION)
    pages, page_appeal = draw_codes(random, PAGES, PAGE_DEVIATION)
    campaigns, campaign_appeal = draw_codes(random, CAMPAIGNS, CAMPAIGN_DEVIATION)
    slots, slot_effect = draw_levels(random, SLOTS)
    devices, device_effect = draw_levels(random, DEVICES)
    browsers, browser_effect = draw_levels(random, BROWSERS)

    is_new = random.random(VISITORS)[visitors] < SHARE_NEW_VISITORS
    days = random.geometric(0.12, ROWS)
    stay = random.lognormal(3.2, 0.8, ROWS)
    bids = random.gamma(4, 0.11, ROWS)
    logit = INTERCEPT + inclination + page_appeal + campaign_appeal
    logit += slot_effect + device_effect + browser_effect
    logit += np.where(is_new, 0.8, 0.6 - 0.09 * days) + 0.012 * np.minimum(stay, 120) + 0.5 * bids
    clicks = random.random(ROWS) < 1 / (1 + np.exp(-logit))
    untimed = random.random(ROWS) < SHARE_UNTIMED

    return [
        [
            f"{FIRST_TIME + timedelta(seconds=int(seconds[row])):%Y-%m-%dT%H:%M:%SZ}",
            f"v{visitors[row]:04d}",
            f"/{pages[row]:03d}",
            f"c-{campaigns[row]:03d}",
            slots[row],
            devices[row],
            browsers[row],
            "NA" if is_new[row] else str(days[row]),
            "NA" if untimed[row] else f"{stay[row]:.1f}",
            f"{bids[row]:.3f}",
            draw_headline(random),
            "yes" if clicks[row] else "no",
        ]
        for row in range(ROWS)
    ]


def main() -> None:
    """Write the file to standard output."""
    sys.stdout.reconfigure(encoding="utf-8", newline="")  # type: ignore[union-attr]
    writer = csv.writer(sys.stdout, delimiter=";", lineterminator="\n")
    writer.writerow(HEADER)
    writer.writerows(draw_rows(np.random.default_rng(SEED)))


if __name__ == "__main__":
    main()
