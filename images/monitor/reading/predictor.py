"""What the predictor, a service of its own, says of one row: by the published model, over HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson
import urllib3

from .record import Record, parse_json
from .volume import TellingError

SECONDS = 5
# An answer about one row is no longer, however many features it has.
LARGEST = 1024 * 1024
HTTP = urllib3.PoolManager(timeout=SECONDS, retries=False, maxsize=4)


class PredictorError(TellingError):
    """There is no prediction; ``detail`` is what the predictor says of it, in English.

    ``rules`` says which rule each field breaks, where the row is why.
    """

    def __init__(
        self, sentence: str, detail: str = "", rules: dict[str, str] | None = None
    ) -> None:
        super().__init__(sentence)
        self.detail = detail
        self.rules = rules or {}


@dataclass(frozen=True)
class Prediction:
    """A row's probability of a click, 0 to 1, and the class that is predicted from it.

    ``contributions`` is what each feature adds to ``intercept``, those that add most first; their
    sum ``log_odds`` is the logarithm of the odds of a click. ``why_not`` says why they are missing.
    ``run_id`` is the run whose model answered.
    """

    probability: float
    predicted: Any
    log_odds: float | None
    intercept: float | None
    contributions: list[tuple[str, float]]
    why_not: str | None
    run_id: str | None


def predict(address: str, row: dict[str, Any]) -> Prediction:
    """Ask the predictor at an address about a row; PredictorError where it has no prediction."""
    try:
        answer = HTTP.request(
            "POST",
            f"{address.rstrip('/')}/v1/predict",
            body=orjson.dumps({"row": row, "explain": True}),
            headers={"Content-Type": "application/json"},
            preload_content=False,
            redirect=False,
        )
        try:
            content = parse_json(answer.read(LARGEST, decode_content=True))
        finally:
            answer.close()
    except urllib3.exceptions.HTTPError:
        raise PredictorError("The predictor does not answer; ask again in a moment.") from None
    except (ValueError, RecursionError):
        content = None
    told = Record(content if isinstance(content, dict) else {})
    if answer.status != 200:
        raise refusal(answer.status, told)
    return read_prediction(told)


def refusal(status: int, told: Record) -> PredictorError:
    """Return why there is no prediction, as the predictor tells it."""
    broken = ((error.text("field"), error.text("rule")) for error in told.records("errors"))
    rules = {field: rule for field, rule in broken if field and rule}
    detail = told.text("detail")
    if rules:
        return PredictorError("The row breaks the data contract.", detail or "", rules)
    if detail:
        return PredictorError("The predictor has no prediction:", detail)
    return PredictorError("The predictor met an error of its own:", f"status {status}")


def read_prediction(told: Record) -> Prediction:
    """Return the prediction that an answer holds."""
    found = next(iter(told.records("predictions")), Record())
    probability = found.number("probability")
    if probability is None or not 0 <= probability <= 1:
        raise PredictorError("The predictor answers with no probability.")
    explanation = found.record("explanation")
    contributed = explanation.record("contributions")
    added = [(name, contributed.number(name)) for name in contributed.content]
    contributions = [(name, number) for name, number in added if number is not None]
    return Prediction(
        probability=probability,
        predicted=found.content.get("predicted"),
        log_odds=explanation.number("log_odds"),
        intercept=explanation.number("intercept"),
        contributions=sorted(contributions, key=lambda pair: -abs(pair[1])),
        why_not=told.text("why_not"),
        run_id=told.record("model").run_id("run_id"),
    )
