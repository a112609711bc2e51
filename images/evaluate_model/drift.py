"""Drift: do this run's rows differ from those that the published model was trained on?

Features and target are compared with ``reference.parquet``, and the published model is held to the
score that it once had. A difference counts where it is beyond chance: the contract's ``p_value``
holds for all tests of a run together, each gets its part of it (Bonferroni). A population stability
index above ``psi`` counts too, unless as large a one comes by chance.
"""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy.stats import chi2_contingency, ks_2samp, ttest_ind_from_stats

from evaluate_model.champion import Champion
from evaluate_model.scores import predict, row_losses

BINS = 10
# So many rows a bin, or a level of a category, let an index of 0.2 hardly come by chance.
FEWEST_IN_A_BIN = 50
FEWEST_OF_A_LEVEL = 20
CHANCE = 0.01
NUMBERS = ("integer", "number")


def find_drift(
    opened: dict[str, Any],
    champion: Champion | None,
    train: pa.Table,
    test: pa.Table,
    chance: np.ndarray | None,
) -> dict[str, Any]:
    """Return ``drift.json``; ``opened`` is ``run.json``.

    ``train`` and ``test`` are rows of this run, ``chance`` what the published model predicts of the
    test rows, shape (rows,).
    """
    thresholds = opened["contract"]["drift"]
    told: dict[str, Any] = {"reference": None, "why_not": None, "drifted": False, "warnings": []}
    told |= {"features": [], "target": None, "score": None, "thresholds": thresholds}
    if champion is None:
        return told | {"why_not": "no model is published yet"}
    told["reference"] = {"run_id": champion.name["run_id"]}
    names, target = opened["features"], opened["target"]
    limit = thresholds["p_value"] / (len(names) + 2)
    if champion.reference is None:
        told["why_not"] = champion.why_not or (
            "the rows that the published model was trained on are not there, or not those of its "
            "summary"
        )
    else:
        kinds = opened["contract"]["columns"]
        for name in names:
            then, now = champion.reference[name], train[name]
            found = compare_column(then, now, numbers=kinds[name]["type"] in NUMBERS)
            large = found["psi"] >= thresholds["psi"] and found["p_value"] < CHANCE / len(names)
            found["drifted"] = bool(found["p_value"] < limit or large)
            told["features"].append({"column": name, "type": kinds[name]["type"], **found})
        told["target"] = compare_target(champion.reference[target], train[target], limit)
    if chance is not None:
        truth = test[target].to_numpy()
        told["score"] = compare_score(champion.summary, measure_score(truth, chance), limit)
    told["warnings"] = explain(told, target)
    return told | {"drifted": bool(told["warnings"])}


def compare_column(then: pa.ChunkedArray, now: pa.ChunkedArray, *, numbers: bool) -> dict[str, Any]:
    """Return a column's test, index and p-value, and its shares of missing cells."""
    count = count_bins if numbers else count_levels
    table = count(then.drop_null(), now.drop_null())
    missing = np.array([[then.null_count], [now.null_count]])
    known = np.array([[len(then)], [len(now)]]) - missing
    if numbers:
        found: Any = try_distributions(then.drop_null().to_numpy(), now.drop_null().to_numpy())
    else:
        found = try_table(table)
    p_values = [found.pvalue] if found else [1.0]
    if missing.any():
        p_values = [2 * p for p in (*p_values, p_of_table(np.hstack([known, missing])))]
    return {
        "test": "kolmogorov_smirnov" if numbers else "chi_square",
        "psi": find_stability_index(np.hstack([table, missing])),
        "statistic": float(found.statistic) if found else 0.0,
        "p_value": float(min(1.0, *p_values)),
        "missing_now": now.null_count / len(now),
        "missing_then": then.null_count / len(then),
    }


def count_bins(then: pa.ChunkedArray, now: pa.ChunkedArray) -> np.ndarray:
    """Return how many values are in each bin, shape (2, bins), of equally many rows then."""
    bins = min(BINS, min(len(then), len(now)) // FEWEST_IN_A_BIN)
    if bins < 2:
        return np.array([[len(then)], [len(now)]])
    edges = np.unique(np.quantile(then.to_numpy(), np.linspace(0, 1, bins + 1)[1:-1]))
    places = [np.searchsorted(edges, part.to_numpy()) for part in (then, now)]
    return np.array([np.bincount(place, minlength=len(edges) + 1) for place in places])


def count_levels(then: pa.ChunkedArray, now: pa.ChunkedArray) -> np.ndarray:
    """Return how many rows have each level, shape (2, levels); rare and new ones are one, last."""
    counts = [
        {entry["values"]: entry["counts"] for entry in pc.value_counts(part).to_pylist()}
        for part in (then, now)
    ]
    levels = [level for level, rows in counts[0].items() if rows >= FEWEST_OF_A_LEVEL]
    table = np.array([[count.get(level, 0) for level in levels] for count in counts], int)
    others = [[len(then)], [len(now)]] - table.sum(axis=1, keepdims=True)
    return np.hstack([table, others])


def find_stability_index(table: np.ndarray) -> float:
    """Return the population stability index of counts, shape (2, bins); 0 where they are alike.

    It is the sum of (now - then) * log(now / then) over the bins' shares. An empty bin counts half
    a row, as a share of 0 has no logarithm.
    """
    table = table[:, table.any(axis=0)] + 0.5
    if not table.size:
        return 0.0
    then, now = table / table.sum(axis=1, keepdims=True)
    return float(((now - then) * np.log(now / then)).sum())


def try_distributions(then: Any, now: Any) -> Any:
    """Return the test of Kolmogorov and Smirnov of two arrays, or None where one has no value."""
    return ks_2samp(then, now, method="asymp") if len(then) and len(now) else None


def try_table(table: np.ndarray) -> Any:
    """Return the chi-square test of counts, shape (2, bins), or None where there is one bin."""
    table = table[:, table.any(axis=0)]
    return chi2_contingency(table) if table.shape[1] > 1 and table.any(axis=1).all() else None


def p_of_table(table: np.ndarray) -> float:
    """Return the p-value of ``try_table``; 1 where nothing is to be told apart."""
    found = try_table(table)
    return float(found.pvalue) if found else 1.0


def compare_target(then: pa.ChunkedArray, now: pa.ChunkedArray, limit: float) -> dict[str, Any]:
    """Return the shares of clicks."""
    counts = np.array([np.bincount(part.to_numpy(), minlength=2) for part in (then, now)])
    p_value = p_of_table(counts)
    then_share, now_share = counts[:, 1] / counts.sum(axis=1)
    shares = {"share_then": float(then_share), "share_now": float(now_share)}
    return {**shares, "p_value": p_value, "drifted": p_value < limit}


def measure_score(truth: np.ndarray, chance: np.ndarray) -> dict[str, Any]:
    """Return what a later run needs to tell whether a model has become worse.

    ``log_loss_deviation`` is the standard deviation of the rows' losses.
    """
    losses = row_losses(truth, chance)
    return {
        "rows": len(truth),
        "accuracy": float((predict(chance) == truth).mean()),
        "log_loss": float(losses.mean()),
        "log_loss_deviation": float(losses.std(ddof=1)) if len(truth) > 1 else 0.0,
    }


def compare_score(
    summary: dict[str, Any], now: dict[str, Any], limit: float
) -> dict[str, Any] | None:
    """Return the published model's score on its own test rows then, and on this run's now.

    Only a worse score is drift. The accuracy is tested by the counts of right rows, the log loss,
    which also tells of rare clicks, by its mean and deviation (Welch).
    """
    then = (summary.get("drift") or {}).get("own_score")
    if not then:  # published before scores were kept
        metrics = summary["metrics"]
        then = {"rows": summary["test_rows"]} | {k: metrics[k] for k in ("accuracy", "log_loss")}
    right = np.array([round(told["rows"] * told["accuracy"]) for told in (then, now)])
    rows = np.array([then["rows"], now["rows"]])
    p_values = {
        "accuracy": p_of_table(np.column_stack([right, rows - right]))
        if now["accuracy"] < then["accuracy"]
        else 1.0,
        "log_loss": p_of_means(then, now) if now["log_loss"] > then["log_loss"] else 1.0,
    }
    p_value = min(1.0, 2 * min(p_values.values()))
    return {
        "rows": now["rows"],
        **{f"{key}_then": then[key] for key in p_values},
        **{f"{key}_now": now[key] for key in p_values},
        "p_value": p_value,
        "drifted": p_value < limit,
    }


def p_of_means(then: dict[str, Any], now: dict[str, Any]) -> float:
    """Return the p-value of two means of losses; 1 where their deviations are not known."""
    if not (then.get("log_loss_deviation") and now["log_loss_deviation"]):
        return 1.0
    found = ttest_ind_from_stats(
        mean1=then["log_loss"],
        std1=then["log_loss_deviation"],
        nobs1=then["rows"],
        mean2=now["log_loss"],
        std2=now["log_loss_deviation"],
        nobs2=now["rows"],
        equal_var=False,
    )
    return float(found.pvalue)


def explain(told: dict[str, Any], target: str) -> list[str]:
    """Return a sentence for each drift."""
    since = f"since run {told['reference']['run_id']}, whose model is published"
    warnings = [
        f"{found['column']!r} has drifted {since}: population stability index {found['psi']:.3f}, "
        f"p {found['p_value']:.2g}"
        for found in told["features"]
        if found["drifted"]
    ]
    share, score = told["target"], told["score"]
    if share and share["drifted"]:
        warnings.append(
            f"the share of {target!r} has drifted {since}: {share['share_then']:.4f} then, "
            f"{share['share_now']:.4f} now, p {share['p_value']:.2g}"
        )
    if score and score["drifted"]:
        warnings.append(
            f"the relation of the features to {target!r} has drifted {since}: that model has an "
            f"accuracy of {score['accuracy_now']:.4f} and a log loss of "
            f"{score['log_loss_now']:.4f} on these {score['rows']} test rows, "
            f"{score['accuracy_then']:.4f} and {score['log_loss_then']:.4f} on its own, "
            f"p {score['p_value']:.2g}"
        )
    return warnings
