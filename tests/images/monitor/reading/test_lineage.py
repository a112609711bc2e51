"""The chain from the model back to the data, on a run of the real stages, and how it breaks."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.images.conftest import CHAIN, IMAGES
from tests.images.conftest import Volume as Stages

from monitor.reading.lineage import BrokenLinkError, Chain, SourceChangedError, published_run
from monitor.reading.volume import NotFoundError, Volume

RECIPE = {"code": "c0de" * 16, "dependencies": "de95" * 16, "parameters": {}, "inputs": {}}
MODEL = "logistic_regression_model.pkl"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A volume with a published run, whose reports say what code made them."""
    stages = Stages.make(tmp_path_factory.mktemp("lineage") / "shared_volume")
    stages.run_chain("evaluate_model")
    for name in CHAIN[:6]:
        report = stages.report(name) | {"recipe": RECIPE, "revision": "abc", "taken_from": "gone"}
        stages.write(f"runs/demo/{name}/report.json", report)
    for name in CHAIN[6:]:
        assert stages.run(name).code == 0
    return stages.path


@pytest.fixture
def root(whole, tmp_path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "shared_volume", symlinks=True))


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def verify(root: Path, run_id: str = "demo", left: int | None = None):
    chain = Chain(Volume(root), run_id, left)
    return chain, list(chain.verify())


def broken(root: Path, **options) -> str:
    with pytest.raises(BrokenLinkError) as raised:
        verify(root, **options)
    return str(raised.value)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def edit(path: Path, change) -> str:
    """Change a JSON file, and return its new sha256."""
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    return sha256(path)


def release(root: Path) -> Path:
    return (root / "model" / "current").resolve()


def test_whole_chain_leads_from_the_published_model_to_the_data(root):
    chain, links = verify(root)
    paths = [link.path for link in links]
    assert {f"runs/demo/{stage}/report.json" for stage in CHAIN[:6]} <= set(paths)
    assert f"model/releases/{release(root).name}/{MODEL}" in paths
    assert "runs/demo/separate_data/train.parquet" in paths
    assert len(paths) == len(set(paths))  # none is read twice
    assert paths.index("runs/demo/build_model/" + MODEL) < paths.index("data/advertising.csv")
    assert all(link.sha256 == sha256(root / link.path) for link in links)
    assert {link.state for link in links} == {"whole"}
    assert chain.pin == sha256(root / "runs/demo/model_summary/model_summary.json")
    assert chain.pin == sha256(root / "model/model_summary.json")


def test_summary_names_the_code_of_each_stage_before_it(root):
    chain, _ = verify(root)
    assert [origin.text("stage") for origin in chain.origins] == list(CHAIN[:6])
    assert {origin.text("revision") for origin in chain.origins} == {"abc"}
    assert all(origin.content["recipe"] == RECIPE for origin in chain.origins)


@pytest.mark.parametrize(
    ("path", "stage"),
    [
        ("runs/demo/load_data/table.parquet", "load_data"),
        ("runs/demo/separate_data/test.parquet", "separate_data"),
        ("runs/demo/build_model/logistic_regression_model.pkl", "build_model"),
        ("runs/demo/evaluate_model/metrics.json", "evaluate_model"),
        ("runs/demo/evaluate_model/figures/roc_curve.svg", "evaluate_model"),
        ("runs/demo/model_summary/model_summary.txt", "model_summary"),
        ("runs/demo/end_pipeline/end.json", "end_pipeline"),
    ],
)
def test_changed_byte_is_named_with_its_stage(root, path, stage):
    flip(root / path)
    assert f"{path} was changed after {stage} recorded it" in broken(root)


@pytest.mark.parametrize("name", [MODEL, "model_summary.json", "model_summary.txt"])
def test_changed_byte_of_what_is_published_is_named(root, name):
    path = release(root) / name
    path.write_text(path.read_text().replace("demo", "demo ")) if "summary" in name else flip(path)
    if name == "model_summary.json":
        path.write_text(path.read_text().replace('"demo "', '"demo"'))
    assert f"{name} was changed after model_summary recorded it" in broken(root)


def test_missing_file_is_named(root):
    (root / "runs/demo/separate_data/train.parquet").unlink()
    assert "runs/demo/separate_data/train.parquet is missing" in broken(root)


def test_link_in_a_files_place_is_no_file(root):
    path = root / "runs/demo/separate_data/train.parquet"
    path.rename(root / "elsewhere.parquet")
    path.symlink_to(root / "elsewhere.parquet")
    assert "train.parquet is missing, or no file" in broken(root)


@pytest.mark.parametrize("stage", [*CHAIN[:6], "model_summary"])
def test_missing_report_is_named(root, stage):
    (root / "runs/demo" / stage / "report.json").unlink()
    assert f"runs/demo/{stage}/report.json is missing" in broken(root)


@pytest.mark.parametrize("stage", CHAIN[:6])
def test_forged_report_is_named(root, stage):
    edit(root / f"runs/demo/{stage}/report.json", lambda r: r.update(revision="forged"))
    assert f"runs/demo/{stage}/report.json is not the report of {stage} that" in broken(root)


def test_report_that_is_no_json_is_named(root):
    (root / "runs/demo/load_data/report.json").write_text("{")
    assert "runs/demo/load_data/report.json is no file of valid JSON" in broken(root)


def test_report_of_another_run_is_not_taken_for_this_ones(root):
    path = root / "runs/demo/model_summary/report.json"
    edit(path, lambda report: report.update(run_id="other"))
    assert "is not the report of model_summary in run demo" in broken(root)


def rewrite_summary(root: Path, change) -> None:
    """Forge the summary, its stage's report and what is published, each to fit the others."""
    folder = root / "runs/demo/model_summary"
    digest = edit(folder / "model_summary.json", change)
    size = (folder / "model_summary.json").stat().st_size

    def fit(entries) -> None:
        for entry in entries:
            if entry["path"].endswith("model_summary/model_summary.json"):
                entry.update(sha256=digest, bytes=size)

    edit(folder / "report.json", lambda report: fit(report["outputs"]))
    edit(root / "runs/demo/end_pipeline/report.json", lambda report: fit(report["inputs"]))
    shutil.copyfile(folder / "model_summary.json", release(root) / "model_summary.json")


def test_summary_forged_to_fit_a_forged_report_is_noticed_by_what_its_stage_read(root):
    path = root / "runs/demo/load_data/report.json"
    forged = edit(path, lambda report: report["metrics"].update(rows=1))
    rewrite_summary(root, lambda summary: summary["lineage"][1].update(report=forged))
    assert "load_data/report.json as model_summary read it is not what load_data" in broken(root)


def test_input_that_its_maker_did_not_write_is_named(root):
    path = root / "runs/demo/build_model/report.json"
    inputs = {"path": "runs/demo/separate_data/train.parquet", "bytes": 1, "sha256": "0" * 64}
    forged = edit(path, lambda report: report.update(inputs=[inputs]))
    rewrite_summary(root, lambda summary: summary["lineage"][4].update(report=forged))
    summary = root / "runs/demo/model_summary/report.json"

    def fit(report) -> None:
        for entry in report["inputs"]:
            if entry["path"].endswith("build_model/report.json"):
                entry["sha256"] = forged

    edit(summary, fit)
    assert "train.parquet as build_model read it is not what separate_data wrote" in broken(root)


@pytest.mark.parametrize("key", ["recipe", "revision"])
def test_summary_that_says_other_code_than_the_report_is_named(root, key):
    rewrite_summary(root, lambda summary: summary["lineage"][2].update({key: "other"}))
    assert f"another {key} of data_preprocessing than the stage's own report" in broken(root)


@pytest.mark.parametrize("key", ["source", "model"])
def test_summary_that_claims_another_file_is_named(root, key):
    rewrite_summary(root, lambda summary: summary[key].update(sha256="0" * 64))
    (root / "model/current").unlink()  # what is published is held to the summary first
    assert "is recorded by model_summary with another sha256 than by the other" in broken(root)


def test_summary_that_claims_a_file_that_no_stage_wrote_is_named(root):
    rewrite_summary(root, lambda summary: summary.update(files={"x.onnx": {"sha256": "0" * 64}}))
    (root / "model/current").unlink()
    assert "x.onnx is recorded by model_summary with a sha256 that no stage wrote" in broken(root)


def test_rewriting_everything_to_fit_changes_the_pin(root):
    before, _ = verify(root)
    rewrite_summary(root, lambda summary: summary.update(reason="because I say so"))
    after, _ = verify(root)
    assert after.pin != before.pin


@pytest.mark.parametrize("damage", [flip, Path.unlink])
def test_data_that_changed_since_are_said_last_as_a_fact(root, damage):
    damage(root / "data/advertising.csv")
    chain = Chain(Volume(root), "demo")
    links = []
    with pytest.raises(SourceChangedError, match=r"data/advertising.csv is no longer what "):
        links.extend(chain.verify())
    flip(root / "runs/demo/load_data/table.parquet")
    assert "table.parquet was changed after load_data recorded it" in broken(root)


def test_model_published_by_hand_has_another_decision_and_nothing_else(root):
    path = release(root) / "model_summary.json"
    edit(path, lambda summary: summary.update(reason="it was published by hand"))
    verify(root)
    edit(path, lambda summary: summary.update(test_score=1.0))
    assert "model_summary.json was changed after model_summary recorded it" in broken(root)


def test_planted_file_among_the_published_is_named(root):
    (release(root) / "another_model.onnx").write_text("planted")
    assert "another_model.onnx is published, but model_summary recorded" in broken(root)


def test_file_in_place_of_the_published_link_is_named(root):
    path = root / "model" / MODEL
    path.unlink()
    path.write_text("planted")
    assert f"model/{MODEL} is not the link to current/{MODEL}" in broken(root)


def test_summary_without_lineage_is_of_an_older_version(root):
    rewrite_summary(root, lambda summary: summary.pop("lineage"))
    assert "records no lineage: an older version" in broken(root)


def test_unpublished_run_is_verified_by_itself(root):
    shutil.rmtree(root / "model")
    _, links = verify(root)
    assert {link.path.split("/")[0] for link in links} == {"runs", "data"}


def test_files_above_the_limit_are_not_read_and_said_to_be_so(root):
    flip(root / "runs/demo/load_data/table.parquet")
    _, links = verify(root, left=0)
    unread = [link.path for link in links if link.state == "size"]
    assert "runs/demo/load_data/table.parquet" in unread
    assert "runs/demo/load_data/report.json" not in unread
    with (root / "runs/demo/load_data/table.parquet").open("ab") as file:
        file.write(b"x")
    assert "table.parquet was changed after load_data recorded it: it has" in broken(root, left=0)


def test_limit_is_of_all_files_together(root):
    sizes = sorted(
        (root / link.path).stat().st_size for link in verify(root)[1] if "report" not in link.path
    )
    _, links = verify(root, left=sum(sizes) - 1)
    assert [link.state for link in links].count("size") == 1


def test_other_models_are_no_link_of_the_chain(root):
    """A champion that the model was compared with may be gone, without harm."""
    old = {"path": "model/releases/old/x.pkl", "bytes": 1, "sha256": "0" * 64}
    path = root / "runs/demo/model_summary/report.json"
    edit(path, lambda report: report["inputs"].append(old))
    _, links = verify(root)
    assert [link.state for link in links if link.path == old["path"]] == ["other"]


def test_run_that_made_no_model_has_nothing_to_verify(root):
    (root / "runs/other/start_pipeline").mkdir(parents=True)
    with pytest.raises(NotFoundError, match="run other has made no model"):
        verify(root, "other")


def test_published_run_that_was_removed_is_a_broken_link(root):
    shutil.rmtree(root / "runs/demo")
    assert "runs/demo/model_summary/model_summary.json is missing" in broken(root)


def test_published_run_is_the_one_that_the_release_names(root):
    assert published_run(Volume(root)) == "demo"
    (release(root) / "model_summary.json").unlink()
    with pytest.raises(BrokenLinkError, match=r"model_summary\.json is missing"):
        published_run(Volume(root))
    (root / "model/current").unlink()
    with pytest.raises(NotFoundError, match="No model is published yet"):
        published_run(Volume(root))


def command(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "SHARED_VOLUME": str(root), "PYTHONPATH": str(IMAGES)}
    return subprocess.run(
        [sys.executable, "-m", "monitor.verify", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_command_ends_with_what_pins_the_chain(root):
    done = command(root)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[-1].split()[0] == sha256(root / "model/model_summary.json")
    assert f"build_model: code {RECIPE['code']}" in done.stdout
    assert "from the model back to data/advertising.csv" in done.stdout


def test_command_exits_65_with_one_sentence_where_a_link_is_broken(root):
    flip(root / "runs/demo/separate_data/train.parquet")
    done = command(root, "demo")
    assert done.returncode == 65
    assert done.stderr.count("\n") == 1
    assert "runs/demo/separate_data/train.parquet was changed after separate_data" in done.stderr
    assert "whole" not in done.stdout


@pytest.mark.parametrize("run_id", ["nowhere", "../demo", "--", "a/b"])
def test_command_exits_66_where_there_is_nothing_to_verify(root, run_id):
    done = command(root, "--", run_id)
    assert done.returncode == 66
    assert done.stderr.startswith("error: ")
