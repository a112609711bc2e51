"""build_model_spark: what its tasks do, without Spark; and the stage itself, in its image."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import pickle
import subprocess
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
from sklearn.base import clone

from build_model_spark import draw as draw_module
from build_model_spark.door import Door, RowsReader
from build_model_spark.draw import draw_test
from build_model_spark.notes import FilesViolations, describe, merge_notes, put_together
from build_model_spark.part import clear_parts, part_of
from build_model_spark.splits import BETWEEN, ROW_BITS, File, Split
from load_data.check import Checker
from load_data.column import columns_of
from separate_data import split as split_module
from separate_data.split import draw_block, draw_in_blocks, share_out, split_at_random
from stage import Contract, Ending, Run, StageError

IMAGES = Path(__file__).resolve().parents[2] / "images"
NAME = "data/advertising.csv"
URI = f"file:///{NAME}"
STARTS = (1, 301, 302, 700)


@pytest.fixture(scope="module")
def opened(whole_run):
    return whole_run.read("start_pipeline/run.json")


@pytest.fixture(scope="module")
def lines(whole_run):
    return (whole_run.path / NAME).read_bytes().splitlines(keepends=True)


def check(opened, lines, starts=STARTS):
    """Hold a file to its contract in parts that begin with these lines, each by a task."""
    ends = [*(start - 1 for start in starts[1:]), len(lines)]
    splits = {
        (URI, start): Split(order, 0, start - 1, end - start + 1)
        for order, (start, end) in enumerate(zip(starts, ends, strict=True))
    }
    door = Door(opened["contract"], opened["features"], opened["target"], splits, [lines[0]])
    made = [
        batch
        for (uri, start), part in splits.items()
        for batch in door.check_lines(batches_of(lines[start - 1 :][: part.lines], uri, start))
    ]
    return door, made


def batches_of(lines, uri, start):
    """Yield lines as Spark gives them to a task."""
    head = [f"{uri}{BETWEEN}{start}"] + [None] * (len(lines) - 1)
    for at in range(0, len(lines), 100):
        columns = {"line": lines[at : at + 100], "head": head[at : at + 100]}
        yield pa.record_batch(columns, pa.schema([("line", pa.binary()), ("head", pa.string())]))


def gather(door, made):
    """Put together what tasks made: the rows, what was found, and the violations."""
    table = pa.Table.from_batches(made)
    is_note = table["note"].is_valid()
    notes = [pickle.loads(text) for text in table.filter(is_note)["note"].to_pylist()]
    violations = FilesViolations(NAME)
    found = put_together(notes, door, [File(URI, NAME, 1, None, b"")], violations)
    return table.filter(pa.compute.invert(is_note)), found, violations


def test_rows_of_all_parts_are_those_that_load_data_keeps(opened, lines, whole_run):
    door, made = check(opened, lines)
    rows, found, violations = gather(door, made)
    kept = pq.read_table(whole_run.folder("load_data") / "table.parquet")
    for place, name in enumerate(opened["features"]):
        assert rows[f"f{place}"].to_pylist() == kept[name].to_pylist()
    assert rows["target"].to_pylist() == kept[opened["target"]].to_pylist()
    assert found.counts == [299, 1, 398, 302]
    assert rows["row"][299].as_py() == 1 << ROW_BITS
    metrics = found.table.metrics() | {"unknown_columns": []}
    told = whole_run.read("load_data/validation.json")
    assert violations.report(metrics) == told


def test_columns_are_described_as_data_preprocessing_does(opened, lines, whole_run):
    door, made = check(opened, lines)
    rows, found, _ = gather(door, made)
    told = json.loads(json.dumps(describe(found.about, door, len(rows))))
    wanted = whole_run.read("data_preprocessing/profile.json")["before"]
    for name, column in wanted["columns"].items():
        for key in ("mean", "std"):
            if key in column:
                column[key] = pytest.approx(column[key], rel=1e-12)
        assert told["columns"][name] == column
    assert told["classes"] == wanted["classes"]


def test_notes_that_tasks_have_merged_tell_the_same(opened, lines):
    door, made = check(opened, lines)
    notes = pa.Table.from_batches(made)["note"].drop_null()
    batches = [pa.record_batch({"note": chunk}) for chunk in notes.chunks]
    merged = [text for batch in merge_notes(iter(batches)) for text in batch["note"].to_pylist()]
    found = sorted((pickle.loads(text) for text in merged), key=lambda note: note.split.order)
    files, violations = [File(URI, NAME, 1, None, b"")], FilesViolations(NAME)
    alone = gather(door, made)[1]
    together = put_together(found, door, files, violations)
    assert describe(together.about, door, 1000) == describe(alone.about, door, 1000)


@pytest.mark.parametrize("line", [2, 300, 301, 302, 700, 999])
def test_bad_cell_is_named_with_the_words_of_load_data(opened, lines, line, data_volume):
    broken = list(lines)
    cells = next(csv.reader([broken[line - 1].decode()]))
    cells[1] = "many"
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    broken[line - 1] = text.getvalue().encode()
    _, _, violations = gather(*check(opened, broken))
    sentence = f"{NAME}, line {line}, column 'Age', value 'many': the value is not an integer"
    assert str(violations.refusal()) == sentence
    data_volume.write(NAME, b"".join(broken).decode())
    data_volume.run("start_pipeline")
    assert data_volume.run("load_data").message == sentence


def test_blank_lines_are_refused_where_rows_follow_in_another_part(opened, lines):
    blank = [*lines[:299], b"\n", *lines[299:]]
    _, _, violations = gather(*check(opened, blank, (1, 301)))
    assert str(violations.refusal()) == f"{NAME}, line 300: is blank, but rows follow it"
    at_end = [*lines, b"\n", b"\n"]
    assert not gather(*check(opened, at_end, (1, 301, len(lines) + 2)))[2]


def test_parquet_of_another_type_is_refused(opened):
    violations = FilesViolations("data/x.parquet")
    columns = {name: ["x"] for name in opened["contract"]["columns"]} | {"Age": [True]}
    with pytest.raises(StageError, match="column 'Age': the file says its type is bool"):
        RowsReader(Checker(columns_of(opened["contract"]), violations), pa.table(columns).schema)


def test_parquet_rows_are_checked_by_their_numbers(opened, whole_run):
    table = pq.read_table(whole_run.folder("load_data") / "table.parquet")
    age = table.schema.get_field_index("Age")
    ages = table["Age"].to_pylist()
    ages[600] = 999
    table = table.set_column(age, "Age", pa.array(ages))
    door = Door(opened["contract"], opened["features"], opened["target"])
    door.names = table.column_names
    door.splits = {(URI, 500): Split(0, 0, 500, len(table) - 500)}
    part = table.slice(500).combine_chunks().to_batches()[0]
    head = pa.array([f"{URI}{BETWEEN}500"] + [None] * (part.num_rows - 1), pa.string())
    made = list(door.check_rows(iter([part.append_column("head", head)])))
    _, _, violations = gather(door, made)
    assert "row 601, column 'Age', value '999': the value is above" in str(violations.refusal())


# The draw


@pytest.mark.parametrize("most", [64, 10_000])
@pytest.mark.parametrize("stratify", [True, False])
def test_rows_are_drawn_as_separate_data_draws_them(monkeypatch, most, stratify):
    for module in (split_module, draw_module):
        monkeypatch.setattr(module, "MOST_AT_ONCE", most)
    target = (np.random.default_rng(3).random(1003) < 0.3).astype(np.int8)
    options = {"test_size": 0.3, "random_state": 7, "stratify": stratify}
    wanted = split_at_random(target, **options)
    drawn = draw_test(target, **options)
    pieces = [drawn.mask(first, min(first + 50, 1003)) for first in range(0, 1003, 50)]
    assert np.concatenate(pieces).tolist() == wanted.tolist()


def test_a_block_is_drawn_without_those_before_it(monkeypatch):
    monkeypatch.setattr(split_module, "MOST_AT_ONCE", 64)
    strata = np.arange(500) % 2
    whole = draw_in_blocks(strata, test_size=0.3, random_state=42)
    blocks = [strata[first : first + 64] for first in range(0, 500, 64)]
    counts = np.array([np.bincount(block, minlength=2) for block in blocks])
    wanted = share_out(counts, test_size=0.3, random_state=42)
    alone = draw_block(blocks[3], wanted[3], 42, 3)
    assert alone.tolist() == whole[192:256].tolist()


# The reports of five stages


@pytest.fixture
def whole(data_volume):
    """A run of build_model_spark that is at work."""
    data_volume.run("start_pipeline")
    contract = Contract.load(IMAGES / "build_model_spark")
    run = Run(contract, data_volume.path.resolve(), "demo", {"test_size": 0.4})
    run.folder.mkdir()
    run.scratch = run.folder / ".scratch-1"
    run.scratch.mkdir()
    return run


def test_part_leaves_the_outputs_and_the_report_of_its_stage(whole, data_volume):
    with part_of(whole, "data_preprocessing", 0.2, 0.4) as part:
        part.write_json("profile.json", {})
        part.metrics = {"rows": 7}
        part.progress(0.5, "half")
        assert data_volume.read("data_preprocessing/progress.json")["fraction"] == 0.5
        assert whole.said["fraction"] == 0.3
    report = data_volume.report("data_preprocessing")
    assert (report["status"], report["metrics"]) == ("done", {"rows": 7})
    assert [entry["path"] for entry in report["outputs"]] == [
        "runs/demo/data_preprocessing/profile.json"
    ]
    assert data_volume.files("data_preprocessing") == ["profile.json", "report.json"]


def test_part_has_its_own_parameters_and_those_of_the_whole(whole):
    with part_of(whole, "separate_data", 0, 1) as part:
        assert part.parameters == {
            "split": "random",
            "test_size": 0.4,
            "random_state": 42,
            "stratify": True,
        }


def test_refused_part_keeps_what_its_stage_keeps_and_the_whole_ends_so(whole, data_volume):
    with contextlib.suppress(StageError), part_of(whole, "load_data", 0, 1) as part:
        part.write_json("validation.json", {"valid": False})
        raise StageError(65, "line 7 is bad")
    ending = Ending("build_model_spark")
    ending.run = whole
    assert ending.finish(StageError(65, "line 7 is bad")) == 65
    for stage in ("load_data", "build_model_spark"):
        assert data_volume.report(stage)["error"]["message"] == "line 7 is bad"
    assert data_volume.files("load_data") == ["report.json", "validation.json"]


def test_nothing_of_an_earlier_try_is_left(whole, data_volume):
    for name in ("report.json", "train.parquet", "sample/test.parquet"):
        data_volume.write(f"runs/demo/separate_data/{name}", "old")
    clear_parts(whole)
    assert data_volume.files("separate_data") == []


# The stage in its image

RUNS = ("stages", "spark")
ON_SPARK = ("--purpose", "train_on_spark")


def read_model(volume, run_id):
    """Return the model that a run made."""
    path = volume.folder("build_model", run_id) / "logistic_regression_model.pkl"
    return pickle.loads(path.read_bytes())


class Spark:
    """The stage's container, within the walls that Airflow gives it."""

    def __init__(self, volume: Path, image: str) -> None:
        self.volume = volume
        self.image = image

    def command(self, *options: str) -> list[str]:
        walls = ("--read-only", "--network=none", "--cap-drop=ALL", "--memory=4g")
        tmp = "--tmpfs=/tmp:rw,noexec,nosuid,nodev,size=256m"
        mount = f"--volume={self.volume}:/shared_volume"
        return ["docker", "run", "--rm", *walls, tmp, mount, *options, self.image]

    def run(self, run_id: str = "spark", *arguments: str) -> dict[str, object]:
        command = [*self.command(), "--run-id", run_id, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return json.loads(done.stdout.splitlines()[-1]) | {"code": done.returncode}


@pytest.fixture
def spark(built_images, data_volume):
    return Spark(data_volume.path, built_images["build_model_spark"])


def give(volume, settings):
    """Let the container write where this process has."""
    if os.geteuid() == 0:
        for path in (volume.path, *volume.path.rglob("*")):
            os.chown(path, int(settings["PIPELINE_UID"]), int(settings["PIPELINE_GID"]))


@pytest.mark.image
def test_model_and_reports_are_those_of_the_stages_by_themselves(spark, data_volume, settings):
    data_volume.run_chain("evaluate_model", run_id="stages")
    data_volume.run("start_pipeline", run_id="spark")
    give(data_volume, settings)
    ended = spark.run()
    assert ended["code"] == 0, ended
    one, other = (
        {
            name: data_volume.read(name, run_id)
            for name in ("evaluate_model/metrics.json", "data_preprocessing/profile.json")
        }
        for run_id in RUNS
    )
    assert one["data_preprocessing/profile.json"] == other["data_preprocessing/profile.json"]
    measured, again = one["evaluate_model/metrics.json"], other["evaluate_model/metrics.json"]
    for name in ("accuracy", "roc_auc", "log_loss", "train_accuracy"):
        assert again[name] == pytest.approx(measured[name], abs=1e-4)
    for name in ("test.parquet", "train.parquet"):
        train, again = (
            pq.read_table(data_volume.folder("separate_data", run_id) / name) for run_id in RUNS
        )
        assert train.equals(again)
    models = [read_model(data_volume, run) for run in RUNS]
    # Both solvers minimise the same. With its own tolerance scikit-learn's stops earlier, which may
    # leave a small coefficient of few rows off by some hundredths, so it goes on here.
    further = clone(models[0][-1]).set_params(tol=1e-10)
    features = list(models[0][0].feature_names_in_)
    further.fit(models[0][0].transform(train.select(features)), train["Clicked on Ad"].to_numpy())
    assert models[1][-1].coef_ == pytest.approx(further.coef_, rel=1e-3)
    assert models[1][-1].coef_ == pytest.approx(models[0][-1].coef_, abs=1e-2)
    summary = data_volume.run("model_summary", run_id="spark")
    assert summary.code == 0, summary.message


@pytest.mark.image
def test_line_break_in_a_cell_is_refused(spark, data_volume, settings):
    text = (data_volume.path / NAME).read_text().splitlines()
    cells = next(csv.reader([text[500]]))
    cells[4] = "two\nlines"
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerow(cells)
    data_volume.write(NAME, "\n".join([*text[:500], written.getvalue().rstrip("\n"), *text[501:]]))
    data_volume.run("start_pipeline", run_id="spark")
    give(data_volume, settings)
    ended = spark.run()
    assert ended["code"] == 65
    assert ended["error"]["message"].startswith(
        f"{NAME}, line 501: opens a quoted cell that does not end in its line"
    )
    assert data_volume.read("load_data/report.json", "spark")["status"] == "failed"
    assert data_volume.read("load_data/validation.json", "spark")["violations"] == 1


MANY = 1_100_000
NUMBERS = """path = "data/days"

[columns.minutes]
type = "number"
role = "feature"

[columns.age]
type = "integer"
role = "feature"
maximum = 120

[columns.click]
type = "integer"
role = "target"
allowed = [0, 1]
"""


def write_days(folder, draw):
    """Write more rows than are drawn at once, as three files, and all of them as one."""
    minutes, age = draw.normal(60, 20, MANY).round(2), draw.integers(18, 90, MANY)
    chance = 1 / (1 + np.exp(-(0.05 * (minutes - 60) + 0.1 * (age - 50))))
    table = pa.table(
        {"minutes": minutes, "age": age, "click": (draw.random(MANY) < chance).astype(int)}
    )
    folder.mkdir()
    for number, first in enumerate((0, 400_000, 1_000_000)):
        end = (400_000, 1_000_000, MANY)[number]
        pa_csv.write_csv(table.slice(first, end - first), folder / f"day-{number}.csv")
    pa_csv.write_csv(table, folder.with_suffix(".csv"))


@pytest.mark.image
def test_many_rows_of_a_folder_give_the_model_that_they_give_as_one_file(
    spark, data_volume, settings
):
    """A bad row among them is named by its file, line and column, until it is mended."""
    data_volume.write("data/days.toml", NUMBERS)
    write_days(data_volume.path / "data" / "days", np.random.default_rng(8))
    gate = ["--min-accuracy", "0.6"]
    options = ["--dataset", "days", "--source", "data/days.csv"]
    data_volume.run_chain(
        "evaluate_model",
        run_id="stages",
        start_pipeline=options,
        load_data=options[:2],
        evaluate_model=gate,
    )
    last = data_volume.path / "data" / "days" / "day-2.csv"
    good = last.read_text()
    lines = good.splitlines()
    lines[77_000] = "61.5,130,1"
    last.write_text("\n".join(lines))
    data_volume.run("start_pipeline", *options[:2], *ON_SPARK, run_id="spark")
    give(data_volume, settings)
    ended = spark.run()
    assert (ended["code"], ended["error"]["message"]) == (
        65,
        "data/days/day-2.csv, line 77001, column 'age', value '130': "
        "the value is above the maximum 120",
    )
    last.write_text(good)
    data_volume.run("start_pipeline", *options[:2], *ON_SPARK, run_id="spark")
    give(data_volume, settings)
    ended = spark.run("spark", *gate)
    assert ended["code"] == 0, ended
    one, other = (data_volume.read("evaluate_model/metrics.json", run) for run in RUNS)
    for name in ("accuracy", "roc_auc", "log_loss", "train_accuracy", "brier_score"):
        assert other[name] == pytest.approx(one[name], abs=1e-4)
    assert one["train_rows"] == other["train_rows"]
    tables = [data_volume.folder("separate_data", run) / "test.parquet" for run in RUNS]
    assert pq.read_table(tables[0]).equals(pq.read_table(tables[1]))
    models = [read_model(data_volume, run) for run in RUNS]
    assert models[1][-1].coef_ == pytest.approx(models[0][-1].coef_, rel=1e-3)


@pytest.mark.image
def test_sigterm_ends_it_with_143_and_no_output(spark, data_volume, settings):
    data_volume.run("start_pipeline", run_id="spark")
    give(data_volume, settings)
    command = [*spark.command("--init"), "--run-id", "spark"]
    work = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert work.stdout
    said = next(line for line in work.stdout if "counting the rows" in line)
    assert "4 %" in said
    work.terminate()
    assert work.communicate()[0]
    assert work.returncode == 143
    for stage in ("load_data", "build_model_spark"):
        assert data_volume.files(stage, "spark") == ["report.json"]
        assert data_volume.report(stage, "spark")["error"]["code"] == 143
