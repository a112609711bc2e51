"""model_summary: the text for people, and publishing in one step."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import pickle
import re

import pytest

from lease import NAME as LEASE
from lease import LeaseLostError
from model_summary import history
from model_summary import publish as publishing
from model_summary.evidence import describe_segments
from model_summary.history import read_history, release_in_use
from model_summary.publish import link, locked, roll_back
from model_summary.text import (
    align,
    describe_calibration,
    describe_confusion,
    describe_encodings,
    describe_part,
    describe_split,
    write_summary,
)

NAMES = ("logistic_regression_model.pkl", "model_summary.txt", "model_summary.json")


@pytest.fixture
def model(tmp_path):
    return tmp_path / "model"


def files(folder, text: str, run_id: str = "demo", names=NAMES):
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / f"{text} {name}").write_text(text)
    summary = {"run_id": run_id, "text": text, "model": {"sha256": text}, "reason": "why not"}
    (folder / f"{text} model_summary.json").write_text(json.dumps(summary))
    return {name: folder / f"{text} {name}" for name in names}


def publish(model, made):
    with locked(model):
        return publishing.publish(model, made)


def published(model) -> list[str]:
    texts = [(model / name).read_text() for name in NAMES]
    return [*texts[:2], json.loads(texts[2])["text"]]


def hidden(model) -> list[str]:
    return sorted(p.name for p in model.rglob(".*"))


def test_published_files_are_fixed_links_to_the_current_release(model, tmp_path):
    release = publish(model, files(tmp_path, "a"))
    assert release.parent == model / "releases"
    assert release.name.startswith("demo~")
    assert str((model / "current").readlink()) == f"releases/{release.name}"
    assert [str((model / name).readlink()) for name in NAMES] == [f"current/{n}" for n in NAMES]
    assert published(model) == ["a", "a", "a"]


def test_new_release_replaces_the_old_one_whole(model, tmp_path):
    publish(model, files(tmp_path, "a", "one"))
    release = publish(model, files(tmp_path, "b", "two"))
    assert published(model) == ["b", "b", "b"]
    assert str((model / "current").readlink()) == f"releases/{release.name}"
    assert hidden(model) == []


def test_newest_ten_releases_are_kept_and_the_one_in_use_before(model, tmp_path):
    first = publish(model, files(tmp_path, "first", "first"))
    for number in range(12):
        publish(model, files(tmp_path, str(number), str(number)))
    kept = sorted(path.name.partition("~")[0] for path in (model / "releases").iterdir())
    assert kept == sorted(map(str, range(2, 12)))
    assert not first.exists()
    oldest = next((model / "releases").glob("2~*"))
    publishing.use(model, oldest.name)
    publish(model, files(tmp_path, "13", "13"))
    assert published(model)[0] == "13"
    with locked(model):
        assert roll_back(model) == ("13", "2")  # the eleventh of the kept ones


def test_link_to_a_file_that_the_model_in_use_has_not_is_removed(model, tmp_path):
    with_more = files(tmp_path, "a", names=(*NAMES, "model.onnx"))
    publish(model, with_more)
    assert (model / "model.onnx").read_text() == "a"
    publish(model, files(tmp_path, "b", "other"))
    assert not (model / "model.onnx").is_symlink()
    with locked(model):
        roll_back(model)
    assert (model / "model.onnx").read_text() == "a"


def test_model_of_before_there_was_a_history_gets_its_line(model, tmp_path):
    publish(model, files(tmp_path, "a", "old"))
    (model / "history.jsonl").unlink()
    publish(model, files(tmp_path, "b", "new"))
    told = [(line["run_id"], line["previous"]) for line in read_history(model)]
    assert told == [("old", None), ("new", "old")]
    with locked(model):
        assert roll_back(model) == ("new", "old")


def roll_back_and_die_at(step: int, model) -> None:
    """Roll back, and be killed before the step of this number."""
    die_before(step)
    with locked(model):
        roll_back(model)


def test_kill_at_any_step_of_a_roll_back_leaves_one_model_whole(model, tmp_path):
    fork, seen = multiprocessing.get_context("fork"), []
    for step in range(1, 30):
        publish(model, files(tmp_path, "a", "one"))
        publish(model, files(tmp_path, "b", "two"))
        process = fork.Process(target=roll_back_and_die_at, args=(step, model))
        process.start()
        process.join()
        seen.append(published(model)[0])
        assert published(model) == [seen[-1]] * 3
        with locked(model):
            used = release_in_use(read_history(model))
        assert used == (model / "current").readlink().name
        if process.exitcode == 0:
            break
    assert process.exitcode == 0
    assert set(seen) == {"a", "b"}


def test_lock_of_a_former_version_is_removed(model, tmp_path):
    model.mkdir()
    (model / ".lock").touch()
    publish(model, files(tmp_path, "a"))
    assert hidden(model) == []


def test_publisher_whose_lease_is_lost_publishes_nothing(model, tmp_path):
    publish(model, files(tmp_path, "a", "one"))
    with locked(model):
        (model / LEASE).unlink()
        with pytest.raises(LeaseLostError):
            publishing.publish(model, files(tmp_path, "b", "two"))
    assert published(model) == ["a", "a", "a"]
    assert [line["run_id"] for line in read_history(model)] == ["one"]
    assert len(list((model / "releases").iterdir())) == 1


def test_same_run_can_publish_again(model, tmp_path):
    publish(model, files(tmp_path, "a"))
    publish(model, files(tmp_path, "b"))
    assert published(model) == ["b", "b", "b"]


def test_release_can_be_read_by_others(model, tmp_path):
    assert publish(model, files(tmp_path, "a")).stat().st_mode & 0o777 == 0o755


def test_plain_file_in_the_links_place_is_replaced(model, tmp_path):
    model.mkdir()
    (model / NAMES[0]).write_text("by hand")
    publish(model, files(tmp_path, "a"))
    assert published(model) == ["a", "a", "a"]


def test_link_is_switched_and_never_missing(tmp_path, monkeypatch):
    path = tmp_path / "current"
    path.symlink_to("old")
    seen = []
    replace = os.replace
    monkeypatch.setattr(
        type(path), "replace", lambda s, t: (seen.append(str(t.readlink())), replace(s, t))[1]
    )
    link(path, path.with_name("new").relative_to(tmp_path))
    assert (seen, str(path.readlink())) == (["old"], "new")


def die_before(step: int) -> None:
    """Have this process be killed before the step of this number."""
    count = 0

    def counted(function):
        def call(*arguments, **options):
            nonlocal count
            count += 1
            if count == step:
                os.kill(os.getpid(), 9)
            return function(*arguments, **options)

        return call

    publishing.shutil.copyfile = counted(publishing.shutil.copyfile)
    publishing.shutil.rmtree = counted(publishing.shutil.rmtree)
    publishing.flush = counted(publishing.flush)
    publishing.link = counted(publishing.link)
    publishing.append = counted(publishing.append)
    history.append_line = counted(history.append_line)


def die_at(step: int, model, made) -> None:
    """Publish, and be killed before the step of this number."""
    die_before(step)
    publish(model, made)


def test_kill_at_any_step_leaves_the_old_model_or_the_new(model, tmp_path):
    publish(model, files(tmp_path, "a", "one"))
    made, fork, seen = files(tmp_path, "b", "two"), multiprocessing.get_context("fork"), []
    for step in range(1, 30):
        process = fork.Process(target=die_at, args=(step, model, made))
        process.start()
        process.join()
        seen.append(published(model)[0])
        assert published(model) == [seen[-1]] * 3
        if process.exitcode == 0:
            break
    assert process.exitcode == 0
    assert seen == sorted(seen)
    assert set(seen) == {"a", "b"}
    assert hidden(model) == []
    used = [line["release"] for line in read_history(model)]
    assert used[-1] == (model / "current").readlink().name
    assert {path.name for path in (model / "releases").iterdir()} <= set(used)


def publish_often(model, made) -> None:
    for _ in range(20):
        publish(model, made)


def test_two_processes_that_publish_at_once_leave_one_whole_model(model, tmp_path):
    fork = multiprocessing.get_context("fork")
    processes = [
        fork.Process(target=publish_often, args=(model, files(tmp_path, text, f"run-{text}")))
        for text in ("a", "b")
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    assert published(model) in (["a"] * 3, ["b"] * 3)
    assert len(list((model / "releases").iterdir())) == 10
    assert len(read_history(model)) == 40


# The text


def test_part_is_told_with_its_share_and_classes():
    summary = {"train_rows": 3, "test_rows": 1, "train_classes": {"0": 1, "1": 2}}
    assert describe_part(summary, "train") == "3 (75.0%): 1 of class 0, 2 of class 1"


def test_confusion_matrix_is_told_as_a_table():
    assert describe_confusion([[143, 3], [6, 148]]).splitlines()[2:] == [
        "                  predicted 0  predicted 1",
        "  truly 0                 143            3",
        "  truly 1                   6          148",
    ]


def test_calibration_is_told_in_a_line():
    calibration = [
        {"rows": 30, "predicted": 0.001, "observed": 0.0},
        {"rows": 10, "predicted": 0.09, "observed": 0.1},
    ]
    assert describe_calibration(calibration) == (
        "lowest of 2 bins predicted 0.0010, observed 0.0000, "
        "highest predicted 0.0900, observed 0.1000"
    )


def test_segments_are_told_as_a_table():
    told = {
        "positive_share": 0.5,
        "accuracy_interval": [0.4, 0.9],
        "log_loss": 0.3,
        "accuracy": 0.7,
    }
    segments = [
        {"column": "Age", "segment": "below 30", "rows": 8, "roc_auc": 0.8} | told,
        {"column": "Sex", "segment": "x\n", "rows": 90, "roc_auc": None} | told,
    ]
    assert describe_segments(segments).splitlines()[2:] == [
        "                   rows  clicks  accuracy  interval          ROC AUC  log loss",
        "  Age below 30        8  0.5000    0.7000  0.4000 to 0.9000   0.8000    0.3000",
        r"  Sex x\n            90  0.5000    0.7000  0.4000 to 0.9000        -    0.3000",
    ]


@pytest.mark.parametrize(
    ("split", "words"),
    [
        ({"kind": "random", "column": None}, "at random"),
        (
            {"kind": "time", "column": "shown_at", "boundary": "2026-03-31T07:32Z"},
            "by time (shown_at): the test rows are those from 2026-03-31T07:32Z on",
        ),
        (
            {"kind": "group", "column": "who", "groups": 9, "train_groups": 6, "test_groups": 3},
            "by group (who): 6 groups to train, 3 to test",
        ),
    ],
)
def test_split_is_told_in_words(split, words):
    assert describe_split(split) == words


def test_features_that_are_more_than_scaled_are_told_one_by_one():
    encodings = {
        "bid": {"encoding": "scaled", "missing": 0, "when_missing": "refuse"},
        "stay": {"encoding": "scaled", "missing": 7, "when_missing": "impute"},
        "device": {"encoding": "one_hot", "levels": 3, "missing": 0, "when_missing": "refuse"},
        "site": {"encoding": "hashing", "levels": 240, "missing": 2, "when_missing": "indicator"},
        "void": {"encoding": "left_out", "missing": 9, "when_missing": "impute"},
    }
    assert describe_encodings({"encodings": encodings, "inputs_of_model": 4101}) == (
        "4101: stay (scaled, 7 missing (impute)), device (one hot, 3 levels), "
        "site (hashing, 240 levels, 2 missing (indicator)), void (left out, 9 missing (impute)), "
        "other features scaled"
    )


def warn(volume, stage, *sentences):
    report = volume.report(stage)
    report["metrics"]["warnings"] = list(sentences)
    volume.write(f"runs/demo/{stage}/report.json", report)


def test_warnings_of_all_stages_are_gathered(finished):
    warn(finished, "load_data", "7 rows were dropped", "3 columns are unknown")
    warn(finished, "data_preprocessing", "'x' alone tells the classes apart")
    warn(finished, "separate_data", "5 of 300 test rows ...")
    ended = finished.run("model_summary")
    assert ended.code == 0, ended.message
    assert finished.read("model_summary/model_summary.json")["warnings"] == {
        "load_data": ["7 rows were dropped", "3 columns are unknown"],
        "data_preprocessing": ["'x' alone tells the classes apart"],
        "separate_data": ["5 of 300 test rows ..."],
    }
    text = finished.folder("model_summary/model_summary.txt").read_text()
    assert text.endswith(
        "\n\nWarnings\n--------\n"
        "  load_data           7 rows were dropped\n"
        "  load_data           3 columns are unknown\n"
        "  data_preprocessing  'x' alone tells the classes apart\n"
        "  separate_data       5 of 300 test rows ...\n"
    )


def test_names_from_the_file_stay_on_their_line_and_end_somewhere():
    assert align({"features": "a\nModel: evil", "many": "x, " * 9000}).splitlines() == [
        r"  features            a\nModel: evil",
        "  many                " + "x, " * 1333 + "…",
    ]


@pytest.fixture
def summary(whole_run):
    return whole_run.read("model_summary/model_summary.json")


def value(text: str, name: str) -> str:
    return re.search(rf"^  {re.escape(name)}\s+(.*)$", text, re.MULTILINE)[1]


def test_text_holds_the_numbers_of_the_metrics(whole_run, summary):
    text = whole_run.folder("model_summary/model_summary.txt").read_text()
    metrics = whole_run.read("evaluate_model/metrics.json")
    assert text == write_summary(summary)
    assert value(text, "accuracy on test") == f"{metrics['accuracy']:.4f}"
    assert value(text, "accuracy on train") == f"{metrics['train_accuracy']:.4f}"
    difference = metrics["train_accuracy"] - metrics["accuracy"]
    assert value(text, "difference") == f"{difference:+.4f} (train - test)"
    low, high = metrics["accuracy_interval"]
    assert value(text, "95% interval") == f"{low:.4f} to {high:.4f} (test)"
    assert value(text, "calibration error") == f"{metrics['calibration_error']:.4f} on average"

    def measured(key: str) -> str:
        low, high = metrics["intervals"][key]
        return f"{metrics[key]:.4f}, {low:.4f} to {high:.4f}"

    for name, key in {
        "ROC AUC": "roc_auc",
        "Brier score": "brier_score",
        "precision": "precision",
        "recall": "recall",
        "F1": "f1",
    }.items():
        assert value(text, name) == measured(key)
    assert value(text, "average precision") == (
        f"{measured('average_precision')} (share of clicks {metrics['positive_share']:.4f})"
    )
    assert value(text, "log loss") == (
        f"{measured('log_loss')} (always predicting the share of clicks: "
        f"{metrics['baseline_log_loss']:.4f})"
    )
    assert value(text, "calibration") == describe_calibration(metrics["calibration"])


def test_text_tells_samples_features_gate_and_reason(whole_run, summary):
    text = whole_run.folder("model_summary/model_summary.txt").read_text()
    assert value(text, "rows") == "1000 kept, 0 dropped"
    assert value(text, "training rows") == "700 (70.0%): 346 of class 0, 354 of class 1"
    assert value(text, "test rows") == "300 (30.0%): 148 of class 0, 152 of class 1"
    assert value(text, "features") == ", ".join(summary["features"])
    assert value(text, "passed") == "yes"
    assert value(text, "split") == "at random"
    assert value(text, "inputs of the model") == "5"
    assert value(text, "why") == (
        "the quality gate is met: accuracy 0.9633 (at least 0.9), ROC AUC 0.9855 (at least 0.5), "
        "log loss 0.1261 (below 0.6931, that of always predicting the share of clicks), "
        "average precision 0.9901 (above the share of clicks, 0.5067)"
    )
    assert "Warnings" not in text


def test_summary_for_programs_names_run_data_and_model(whole_run, summary):
    model = whole_run.folder("build_model/logistic_regression_model.pkl").read_bytes()
    assert (summary["run_id"], summary["dataset"]) == ("demo", "advertising")
    assert (summary["model_type"], summary["scaler"]) == ("LogisticRegression", "standard")
    assert (summary["train_rows"], summary["test_rows"]) == (700, 300)
    assert summary["metrics"] == whole_run.read("evaluate_model/metrics.json")
    assert (summary["published"], summary["target"]) == (True, "Clicked on Ad")
    built = whole_run.report("build_model")["metrics"]
    assert (summary["encodings"], summary["inputs_of_model"]) == (built["encodings"], 5)
    assert summary["split"] == {"kind": "random", "column": None, "duplicate_rows_across": 0}
    assert summary["warnings"] == {}
    assert summary["model"]["sha256"] == hashlib.sha256(model).hexdigest()
    assert summary["model"]["bytes"] == len(model)


def test_stage_publishes_what_its_contract_declares(whole_run):
    folder = whole_run.path / "model"
    model = pickle.loads((folder / "logistic_regression_model.pkl").read_bytes())
    assert model.classes_.tolist() == [0, 1]
    for name in NAMES[1:]:
        own = whole_run.folder(f"model_summary/{name}").read_bytes()
        assert (folder / name).read_bytes() == own
    assert json.loads((folder / "model_summary.json").read_text())["run_id"] == "demo"
