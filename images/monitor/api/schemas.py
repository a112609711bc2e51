"""The shapes of the API's questions and answers: what the OpenAPI document is made of."""

from __future__ import annotations

from typing import Any

from marshmallow import EXCLUDE, Schema, fields, validate

from ..reading.evaluation import SCORES
from ..reading.history import EVENTS
from ..reading.index import SORTS
from ..reading.record import RUN_ID

STAGE_STATES = ("waiting", "queued", "running", "up_for_retry", "success", "failed", "not_run")
RUN_STATES = ("queued", "running", "success", "failed")
MOST_RUNS = 5
RUN_ID_PATTERN = f"^{RUN_ID.pattern}$"


def told(description: str, **more: Any) -> dict[str, Any]:
    """Return a field's documentation."""
    return {"metadata": {"description": description, **more}}


class Time(fields.AwareDateTime):
    """A time in UTC, ISO 8601 with milliseconds."""

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z") if value else None


class ProblemSchema(Schema):
    """An error (RFC 9457)."""

    type = fields.String(required=True, **told("always about:blank: the status says it all"))
    title = fields.String(required=True, **told("the status in words"))
    status = fields.Integer(required=True, **told("the HTTP status"))
    detail = fields.String(required=True, **told("what is wrong, in one sentence"))


class Question(Schema):
    """The query of an address; what it does not know is left alone."""

    class Meta:
        unknown = EXCLUDE


class StatusQuery(Question):
    run_id = fields.String(**told("a run's id; without one, the newest run"))


class RunsQuery(Question):
    q = fields.String(load_default="", validate=validate.Length(max=200),
                      **told("words that are all found in the run"))  # fmt: skip
    state = fields.List(fields.String(validate=validate.OneOf(RUN_STATES[1:])), load_default=list,
                        **told("states to keep; may be repeated"))  # fmt: skip
    dataset = fields.String(load_default="", **told("data set to keep"))
    cause = fields.String(load_default="", **told("cause of failure to keep"))
    published = fields.Boolean(**told("runs whose model was published, or refused"))
    sort = fields.String(load_default="started", validate=validate.OneOf(SORTS),
                         **told("what to sort by"))  # fmt: skip
    order = fields.String(load_default="desc", validate=validate.OneOf(("asc", "desc")),
                          **told("the direction"))  # fmt: skip
    page = fields.Integer(load_default=1, validate=validate.Range(1, 10**6),
                          **told("which page, from 1"))  # fmt: skip
    page_size = fields.Integer(load_default=25, validate=validate.Range(1, 100),
                               **told("runs a page"))  # fmt: skip


class HistoryQuery(Question):
    page = fields.Integer(load_default=1, validate=validate.Range(1, 10**6),
                          **told("which page, from 1"))  # fmt: skip
    page_size = fields.Integer(load_default=25, validate=validate.Range(1, 100),
                               **told("decisions a page"))  # fmt: skip


class CompareQuery(Question):
    run = fields.List(fields.String(), required=True, validate=validate.Length(2, MOST_RUNS),
                      **told("the id of a run; two to five times"))  # fmt: skip


class TrySchema(Schema):
    number = fields.Integer(allow_none=True, **told("counted from 1"))
    state = fields.String(allow_none=True)
    started = Time(allow_none=True)
    ended = Time(allow_none=True)
    cause = fields.String(allow_none=True)
    message = fields.String(allow_none=True)
    exit_code = fields.Integer(allow_none=True)


class FileSchema(Schema):
    path = fields.String(required=True, **told("below the run's folder"))
    bytes = fields.Integer(allow_none=True)
    sha256 = fields.String(allow_none=True)


class StageSchema(Schema):
    """A stage of a run, or one of its mails."""

    name = fields.String(required=True)
    state = fields.String(required=True, validate=validate.OneOf(STAGE_STATES))
    started = Time(allow_none=True)
    ended = Time(allow_none=True)
    seconds = fields.Float(allow_none=True)
    try_number = fields.Integer(allow_none=True)
    exit_code = fields.Integer(allow_none=True)
    cause = fields.String(allow_none=True)
    message = fields.String(allow_none=True, **told("what is wrong, in one sentence"))
    taken_from = fields.String(allow_none=True, **told("the run whose outputs it took over"))
    why = fields.String(allow_none=True, **told("why it worked, or took over outputs"))
    fraction = fields.Float(allow_none=True, **told("how far the work is, 0 to 1"))
    rows = fields.Dict(keys=fields.String(), values=fields.Float())
    files = fields.List(fields.Nested(FileSchema))
    problems = fields.List(fields.String(), **told("files of the stage that cannot be read"))


class StageDetailSchema(StageSchema):
    """All that is known of a stage."""

    queued = Time(allow_none=True, **told("when Airflow had it ready"))
    advice = fields.String(allow_none=True, **told("what to do about the failure"))
    metrics = fields.Dict(keys=fields.String())
    parameters = fields.Dict(keys=fields.String())
    versions = fields.Dict(keys=fields.String())
    peak_memory = fields.Integer(allow_none=True, **told("in bytes"))
    image = fields.String(allow_none=True)
    image_id = fields.String(allow_none=True)
    log_tail = fields.List(fields.String(), **told("the last lines of its log"))
    docker_run = fields.String(allow_none=True, **told("the command that repeats it by hand"))
    tries = fields.List(fields.Nested(TrySchema))


class DagInfoSchema(Schema):
    dag_id = fields.String(allow_none=True)
    run_id = fields.String(required=True)
    status = fields.String(required=True, validate=validate.OneOf(RUN_STATES))
    logical_date = fields.String(allow_none=True)
    start_date = Time(allow_none=True)
    end_date = Time(allow_none=True)
    duration = fields.Float(allow_none=True, **told("in seconds"))


class OutputSchema(Schema):
    path = fields.String(required=True)
    exists = fields.Boolean(required=True)
    bytes = fields.Integer(allow_none=True)


class StatusSchema(Schema):
    """The state of a run, with every output that it is expected to make."""

    status = fields.String(required=True, validate=validate.OneOf(RUN_STATES))
    timestamp = Time(required=True, **told("when this was read off the volume"))
    dag_info = fields.Nested(DagInfoSchema, required=True)
    stages = fields.List(fields.Nested(StageSchema), required=True)
    outputs = fields.List(fields.Nested(OutputSchema), required=True)


class RunSchema(Schema):
    """A run as a list shows it."""

    run_id = fields.String(required=True)
    state = fields.String(required=True, validate=validate.OneOf(RUN_STATES))
    started = Time(required=True)
    ended = Time(allow_none=True)
    seconds = fields.Float(allow_none=True)
    dataset = fields.String(allow_none=True)
    source = fields.String(allow_none=True, **told("path of the data file on the volume"))
    dag_id = fields.String(allow_none=True)
    task = fields.String(allow_none=True, **told("the first task that failed"))
    cause = fields.String(allow_none=True)
    message = fields.String(allow_none=True)
    published = fields.Boolean(allow_none=True, **told("null where no decision was made"))
    reason = fields.String(allow_none=True)
    rows = fields.Integer(allow_none=True)
    fraction = fields.Float(**told("how far the run is, 0 to 1"))
    parameters = fields.Dict(keys=fields.String())
    stages = fields.Dict(keys=fields.String(), values=fields.Float(), **told("seconds by stage"))
    scores = fields.Dict(keys=fields.String(validate=validate.OneOf(SCORES)),
                         values=fields.Float(allow_none=True))  # fmt: skip


class RunsSchema(Schema):
    """A page of runs."""

    runs = fields.List(fields.Nested(RunSchema), required=True)
    page = fields.Integer(required=True)
    pages = fields.Integer(required=True)
    page_size = fields.Integer(required=True)
    total = fields.Integer(required=True, **told("runs on all pages"))


class CheckSchema(Schema):
    """What the data check found."""

    file = fields.String(allow_none=True)
    valid = fields.Boolean(allow_none=True)
    rows_read = fields.Integer(allow_none=True)
    rows = fields.Integer(allow_none=True, **told("rows kept"))
    dropped = fields.Integer(allow_none=True)
    dropped_by_reason = fields.Dict(keys=fields.String())
    unknown_columns = fields.List(fields.String())
    violations = fields.Integer(allow_none=True)
    by_rule = fields.Dict(keys=fields.String(), **told("how often each rule is broken"))
    first = fields.List(fields.Dict(keys=fields.String()),
                        **told("the first, with line or row, column, value, rule"))  # fmt: skip


class WarnedSchema(Schema):
    """What a stage that goes on warns of."""

    stage = fields.String(required=True)
    message = fields.String(required=True, **told("one sentence"))


class RunDetailSchema(Schema):
    """All that is known of a run."""

    run_id = fields.String(required=True)
    state = fields.String(required=True, validate=validate.OneOf(RUN_STATES))
    started = Time(required=True)
    ended = Time(allow_none=True)
    seconds = fields.Float(allow_none=True)
    last_sign = Time(allow_none=True, **told("the last sign of life"))
    fraction = fields.Float(**told("how far the run is, 0 to 1"))
    dag_id = fields.String(allow_none=True)
    logical_date = fields.String(allow_none=True)
    dataset = fields.String(allow_none=True)
    source = fields.Function(lambda run: run.source.content,
                             **told("the data file", type="object"))  # fmt: skip
    published = fields.Boolean(allow_none=True)
    reason = fields.String(allow_none=True)
    parameters = fields.Dict(keys=fields.String())
    versions = fields.Dict(keys=fields.String())
    metrics = fields.Function(lambda run: run.metrics.content,
                              **told("metrics.json: scores, their intervals, segments",
                                     type="object"))  # fmt: skip
    comparison = fields.Function(lambda run: run.challenge.content if run.challenge else None,
                                 **told("comparison.json, this model beside the published one",
                                        type=["object", "null"]))  # fmt: skip
    drift = fields.Function(lambda run: run.drift.content if run.drift else None,
                            **told("drift.json, the data then and now",
                                   type=["object", "null"]))  # fmt: skip
    warnings = fields.List(fields.Nested(WarnedSchema))
    check = fields.Nested(CheckSchema, allow_none=True)
    profile = fields.Function(lambda run: run.profile.content if run.profile else None,
                              **told("profile.json, with the first 200 columns of each side",
                                     type=["object", "null"]))  # fmt: skip
    stages = fields.List(fields.Nested(StageDetailSchema))
    mails = fields.List(fields.Nested(StageDetailSchema))
    figures = fields.List(fields.String())
    problems = fields.List(fields.String(), attribute="all_problems",
                           **told("files of the run that cannot be read"))  # fmt: skip


class MetricsSchema(Schema):
    """The measures of the published model, with the rest of its metrics.json."""

    class Meta:
        unknown = EXCLUDE

    run_id = fields.String(allow_none=True)
    model_type = fields.String(allow_none=True)
    dataset = fields.String(allow_none=True)
    last_updated = fields.String(allow_none=True)
    summary = fields.String(**told("model_summary.txt"))
    train_score = fields.Float(allow_none=True)
    test_score = fields.Float(allow_none=True)


class ModelSchema(Schema):
    """The published model's card, and the newest decisions."""

    run_id = fields.String(allow_none=True)
    created = fields.String(allow_none=True)
    summary = fields.Dict(keys=fields.String(), **told("model_summary.json"))
    text = fields.String(**told("model_summary.txt"))
    files = fields.Dict(keys=fields.String(), **told("bytes and sha256 of what is published"))
    comparison = fields.Dict(keys=fields.String(), allow_none=True,
                             **told("the model beside the one in use before"))  # fmt: skip
    drift = fields.Dict(keys=fields.String(), allow_none=True,
                        **told("its data beside those of the model before"))  # fmt: skip
    history = fields.List(fields.Nested(RunSchema), **told("runs that published or were refused"))


class DecisionSchema(Schema):
    """A decision about the model of a run."""

    time = Time(allow_none=True)
    event = fields.String(required=True, validate=validate.OneOf(EVENTS))
    run_id = fields.String(required=True)
    sha256 = fields.String(allow_none=True, **told("of the model's file"))
    reason = fields.String(allow_none=True)
    accuracy = fields.Float(allow_none=True)
    roc_auc = fields.Float(allow_none=True)
    previous = fields.String(allow_none=True, **told("the run whose model was in use before"))


class HistorySchema(Schema):
    """A page of decisions."""

    decisions = fields.List(fields.Nested(DecisionSchema), required=True)
    page = fields.Integer(required=True)
    pages = fields.Integer(required=True)
    page_size = fields.Integer(required=True)
    total = fields.Integer(required=True, **told("decisions on all pages"))


class LineSchema(Schema):
    """One thing that is compared, a value for each run."""

    name = fields.String(required=True)
    values = fields.List(fields.Raw(allow_none=True), required=True)
    differs = fields.Boolean(required=True)
    best = fields.List(fields.Integer(), **told("places of the best values, from 0"))


class ComparisonSchema(Schema):
    """Runs side by side."""

    run_ids = fields.Function(lambda comparison: [run.run_id for run in comparison.runs],
                              **told("", type="array", items={"type": "string"}))  # fmt: skip
    data = fields.List(fields.Nested(LineSchema))
    parameters = fields.List(fields.Nested(LineSchema))
    scores = fields.List(fields.Nested(LineSchema))
    seconds = fields.List(fields.Nested(LineSchema))
    versions = fields.List(fields.Nested(LineSchema))


class ArtifactSchema(FileSchema):
    """A file that a stage of the run made."""

    stage = fields.String(required=True)
    address = fields.String(required=True, **told("where it is downloaded"))


class ArtifactsSchema(Schema):
    run_id = fields.String(required=True)
    artifacts = fields.List(fields.Nested(ArtifactSchema), required=True)
