"""Work that an earlier run has done is taken over where nothing changed, and only there."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import reuse
import stage

IMAGES = Path(stage.__file__).parent

CONTRACT = """
summary = "A stage whose work may be taken over."
reusable = true
packages = ["pytest"]
[inputs."runs/{run_id}/start_pipeline/run.json"]
ignore = ["run_id", "started"]
[inputs."runs/{run_id}/maker/made.csv"]
optional = true

[outputs."made.txt"]
help = "what it made"
[outputs."kept.txt"]
help = "kept on refusal"
kept_on_refusal = true
[outputs."figures/"]
help = "a folder"

[parameters.max_count]
type = "integer"
default = 3
help = "how many"
[parameters.flag]
type = "boolean"
default = true
help = "yes or no"
[parameters.name]
type = "string"
default = ""
help = "a word"

[resources]
memory = "64m"
cpus = 1.0
pids = 16
timeout_seconds = 60
"""
# Says in its metrics that it worked, and makes other bytes each time.
WORK = """
    run.output("made.txt").write_text(str(time.time_ns()))
    run.output("kept.txt").write_text("kept")
    run.output("figures/one.svg").write_text("one")
    run.output("figures/deep/two.svg").write_text("two")
    return {"worked": time.time_ns()}
"""
KEEPS = '\n    run.output("kept.txt").write_text("kept")'
FINDS = '\n    run.add_input("data/x.csv")' + WORK


class Toy:
    """An invented stage in a folder laid out like an image's /app."""

    def __init__(self, volume, images: Path) -> None:
        self.volume = volume
        self.images = images
        images.mkdir()
        for name in ("stage.py", "lease.py", "reuse.py", "exit_codes.toml"):
            shutil.copyfile(IMAGES / name, images / name)

    def write(self, work: str, contract: str = CONTRACT, name: str = "toy") -> None:
        folder = self.images / name
        folder.mkdir(exist_ok=True)
        (folder / "stage.toml").write_text(contract)
        header = "import time\nfrom stage import StageError\n\n"
        (folder / "main.py").write_text(f"{header}def run(run):\n{work}\n")

    def run(self, run_id: str, *arguments: str, name: str = "toy"):
        """Run the stage as it was written last."""
        arguments = ("--run-id", run_id, *arguments)
        process = self.volume.start(name, *arguments, images=self.images)
        return self.volume.end(process, name, run_id)


@pytest.fixture
def toy(bare_volume, tmp_path) -> Toy:
    toy = Toy(bare_volume, tmp_path / "app")
    for run_id in ("one", "two", "three"):
        open_run(toy, run_id)
    return toy


def open_run(toy: Toy, run_id: str, **content) -> None:
    """Write what start_pipeline writes, with what differs in each run."""
    opened = {"run_id": run_id, "started": f"at {run_id}", "features": ["a"], **content}
    made_by(toy, run_id, "start_pipeline", "run.json", json.dumps(opened))


def made_by(toy: Toy, run_id: str, maker: str, name: str, text: str) -> None:
    path = f"runs/{run_id}/{maker}/{name}"
    toy.volume.write(path, text)
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    report = {"status": "done", "outputs": [{"path": path, "sha256": sha256}]}
    toy.volume.write(f"runs/{run_id}/{maker}/report.json", report)


def run(toy: Toy, run_id: str, *arguments: str, work: str = WORK, contract: str = CONTRACT):
    """Run the stage; it must end well."""
    toy.write(work, contract)
    ended = toy.run(run_id, *arguments)
    assert ended.code == 0, ended.lines
    return ended


def reason(ended) -> str:
    """Return why a stage did its work; it must have done it."""
    assert (ended.report["status"], ended.report["taken_from"]) == ("done", None)
    assert ended.summary["why"] == ended.report["why"]
    return ended.report["why"]


def taken_from(ended) -> str:
    """Return whose work a stage took over; it must have."""
    assert (ended.code, ended.summary["status"]) == (0, "up to date")
    assert ended.report["status"] == "up to date"
    return ended.report["taken_from"]


def path(toy: Toy, run_id: str, name: str) -> Path:
    return toy.volume.folder("toy", run_id) / name


# What is taken over


def test_unchanged_work_is_taken_over_by_hard_link(toy):
    first, second = run(toy, "one"), run(toy, "two")
    assert reason(first) == "no earlier work of toy is known on this volume"
    assert taken_from(second) == "one"
    assert second.report["why"] == "nothing has changed since run one, whose outputs are taken over"
    assert second.report["metrics"] == first.report["metrics"]
    for name in ("made.txt", "kept.txt", "figures/one.svg", "figures/deep/two.svg"):
        assert path(toy, "one", name).samefile(path(toy, "two", name))
    assert toy.volume.files("toy", "two") == toy.volume.files("toy", "one")


def test_report_of_work_taken_over_lists_its_own_outputs(toy):
    first, second = run(toy, "one").report, run(toy, "two").report
    assert [entry["path"] for entry in second["outputs"]] == [
        entry["path"].replace("/one/", "/two/", 1) for entry in first["outputs"]
    ]
    assert second["recipe"] == first["recipe"]
    assert second["inputs"][0]["path"] == "runs/two/start_pipeline/run.json"


def test_work_is_taken_over_from_the_newest_run_that_has_it(toy):
    run(toy, "one"), run(toy, "two")
    shutil.rmtree(toy.volume.path / "runs/one")
    assert taken_from(run(toy, "three")) == "two"


def test_rerun_in_its_own_run_keeps_its_outputs(toy):
    first, made = run(toy, "one"), path(toy, "one", "made.txt")
    inode = made.stat().st_ino
    again = run(toy, "one")
    assert (taken_from(again), made.stat().st_ino) == ("one", inode)
    assert again.report["outputs"] == first.report["outputs"]
    assert taken_from(run(toy, "one")) == "one"
    assert sorted(p.name for p in made.parent.iterdir()) == [
        *("figures", "kept.txt", "made.txt", "report.json")
    ]


def test_outputs_are_copied_where_the_volume_has_no_links(toy, monkeypatch):
    source = toy.volume.write("data/x.csv", "abc")
    monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(PermissionError()))
    reuse.link(source, toy.volume.path / "copy")
    assert (toy.volume.path / "copy").read_text() == "abc"
    assert not (toy.volume.path / "copy").samefile(source)


def test_output_that_another_host_removes_while_it_is_linked_is_gone(toy, monkeypatch):
    source = toy.volume.write("data/x.csv", "abc")

    def stale(*_):
        raise OSError(errno.ESTALE, "Stale file handle")

    monkeypatch.setattr(os, "link", stale)
    with pytest.raises(FileNotFoundError):
        reuse.link(source, toy.volume.path / "copy")
    assert not (toy.volume.path / "copy").exists()


def test_stage_that_is_not_declared_reusable_always_works(toy):
    contract = CONTRACT.replace("reusable = true", "")
    run(toy, "one", contract=contract)
    assert reason(run(toy, "two", contract=contract)) == "toy works in every run"
    assert not (toy.volume.path / reuse.STORE).exists()


def test_later_stage_takes_outputs_that_were_taken_over_as_made(toy):
    for run_id in ("one", "two"):
        run(toy, run_id)
    reads = CONTRACT.replace("maker/made.csv", "toy/made.txt").replace("optional = true", "")
    toy.write(WORK, reads, name="reader")
    assert toy.run("two", name="reader").code == 0


# What makes a stage work, in words


def test_force_makes_a_stage_work(toy):
    run(toy, "one")
    for word in ("--force", "--force=true"):
        assert reason(run(toy, "two", word)) == "it was told to, by --force"
    assert taken_from(run(toy, "three", "--force=false")) == "two"


def test_changed_parameters_are_named_with_both_values(toy):
    run(toy, "one")
    assert reason(run(toy, "two", "--max-count", "5")) == "parameter max_count 3 > 5"
    again = run(toy, "three", "--max-count=4", "--flag=false", "--name=ann")
    assert reason(again) == (
        "parameter flag true > false; parameter max_count 5 > 4; parameter name empty > ann"
    )
    assert "parameters" in again.report
    assert "force" not in again.report["parameters"]


def test_work_of_some_runs_ago_is_taken_over_too(toy):
    run(toy, "one"), run(toy, "two", "--max-count", "5")
    assert taken_from(run(toy, "three")) == "one"


def test_changed_code_is_named(toy):
    run(toy, "one")
    assert reason(run(toy, "two", work=WORK + "    # other code\n")) == "the code changed"


def test_changed_input_is_named_with_the_keys_that_changed(toy):
    made_by(toy, "one", "maker", "made.csv", "a")
    run(toy, "one")
    open_run(toy, "two", features=["b"], source={"sha256": "x"})
    made_by(toy, "two", "maker", "made.csv", "b")
    assert reason(run(toy, "two")) == (
        "input maker/made.csv changed; input start_pipeline/run.json changed (features, source)"
    )


def test_input_that_came_or_went_is_named(toy):
    run(toy, "one")
    made_by(toy, "two", "maker", "made.csv", "a")
    assert reason(run(toy, "two")) == "input maker/made.csv is new"
    shutil.rmtree(toy.volume.path / "runs/one")
    assert reason(run(toy, "three")) == "the report of run one is gone"
    made_by(toy, "three", "maker", "made.csv", "a")
    assert taken_from(run(toy, "three")) == "two"


def test_changed_package_is_named_with_both_versions(toy, monkeypatch):
    contract = stage.Contract("toy", "", {}, {}, {}, {}, packages=("pytest",))
    work = stage.Run(contract, toy.volume.path, "two", {})
    work.recipe = {
        "code": "c", "dependencies": "new", "python": "3.13.2", "parameters": {}, "inputs": {},
    }  # fmt: skip
    old = {**work.recipe, "dependencies": "old", "python": "3.13.1"}
    note = {"run_id": "one", "recipe": old, "parts": {}, "versions": {"pytest": "1.0"}}
    toy.volume.write(f"{reuse.STORE}/toy/newest", note)
    told = f"Python 3.13.1 > 3.13.2; package pytest 1.0 > {pytest.__version__}"
    assert reuse.what_changed(work) == told
    note["versions"] = {"pytest": pytest.__version__}
    toy.volume.write(f"{reuse.STORE}/toy/newest", note)
    assert reuse.what_changed(work) == "Python 3.13.1 > 3.13.2; the installed packages changed"


def test_dependency_digest_is_of_the_names_and_versions(tmp_path, monkeypatch):
    monkeypatch.setattr(reuse.sys, "path", [str(tmp_path)])
    (tmp_path / "numpy-2.1.0.dist-info").mkdir()
    before = reuse.dependency_digest()
    (tmp_path / "other").mkdir()
    assert reuse.dependency_digest() == before
    (tmp_path / "numpy-2.1.0.dist-info").rename(tmp_path / "numpy-2.2.0.dist-info")
    assert reuse.dependency_digest() != before


# What is never taken over


@pytest.mark.parametrize("name", ["made.txt", "figures/one.svg"])
def test_hand_edited_output_is_noticed_and_made_again(toy, name):
    run(toy, "one")
    path(toy, "one", name).write_text("edited")
    again = run(toy, "two")
    assert reason(again) == (
        f"runs/one/toy/{name} was changed after it was made, so it is made again"
    )
    assert path(toy, "two", name).read_text() != "edited"
    assert taken_from(run(toy, "three")) == "two"


def test_corrupted_output_of_the_same_length_in_its_own_run_is_noticed(toy):
    run(toy, "one")
    made = path(toy, "one", "made.txt")
    content = bytearray(made.read_bytes())
    content[0] ^= 1
    made.write_bytes(content)
    assert "was changed after it was made" in reason(run(toy, "one"))
    assert made.read_bytes() != content


def test_output_that_is_gone_or_a_link_now_is_made_again(toy):
    run(toy, "one")
    made = path(toy, "one", "made.txt")
    made.rename(toy.volume.path / "elsewhere")
    made.symlink_to(toy.volume.path / "elsewhere")
    assert reason(run(toy, "two")) == "outputs of run one are gone"
    assert not path(toy, "two", "made.txt").is_symlink()


def test_edited_report_is_noticed(toy):
    run(toy, "one")
    report = path(toy, "one", "report.json")
    report.write_text(report.read_text().replace('"worked"', '"forged"'))
    again = run(toy, "two")
    assert reason(again) == "the report of run one was changed after it ended"
    assert "forged" not in again.report["metrics"]


@pytest.mark.parametrize("code", [65, 70, 80])
def test_failed_or_refused_run_is_never_taken_over(toy, code):
    fails = KEEPS + f"\n    if run.run_id == 'one': raise StageError({code}, 'no')" + WORK
    toy.write(fails)
    for _ in range(2):
        ended = toy.run("one")
        assert (ended.code, ended.report["status"]) == (code, "failed")
        assert ended.report["why"] == "no earlier work of toy is known on this volume"
    assert reason(run(toy, "two", work=fails)) == "no earlier work of toy is known on this volume"


def test_run_that_was_refused_after_it_was_done_is_not_taken_over(toy):
    fails = "\n    if run.parameters['max_count'] == 9: raise StageError(80, 'no')" + WORK
    run(toy, "one", work=fails)
    ended = toy.run("one", "--max-count=9")
    assert (ended.code, toy.volume.files("toy", "one")) == (80, ["report.json"])
    assert reason(run(toy, "two", work=fails)) == "the outputs of run one are gone"


def test_input_that_the_work_found_by_itself_must_be_the_same(toy):
    data = toy.volume.write("data/x.csv", "a")
    first = run(toy, "one", work=FINDS)
    second = run(toy, "two", work=FINDS)
    assert taken_from(second) == "one"
    assert second.report["inputs"][-1] == first.report["inputs"][-1]
    data.write_text("b")
    third = run(toy, "three", work=FINDS)
    assert reason(third) == "input data/x.csv changed"
    data.unlink()
    ended = toy.run("three")
    assert ended.code == 66
    assert ended.report["why"] == "data/x.csv is missing on the shared volume"


@pytest.mark.parametrize(
    "note", ["", "{", "[]", '{"run_id": "../../x"}', '{"run_id": "one"}', '{"run_id": ["one"]}']
)
def test_note_that_leads_nowhere_costs_only_the_work(toy, note):
    run(toy, "one")
    for entry in (toy.volume.path / reuse.STORE / "toy").iterdir():
        entry.write_text(note)
    reason(run(toy, "two"))
    assert taken_from(run(toy, "three")) == "two"


def test_forged_report_cannot_lead_out_of_the_stages_folder(toy):
    run(toy, "one")
    secret = toy.volume.write("secret", "secret")
    report = toy.volume.report("toy", "one")
    for entry in report["outputs"][2:]:
        entry["path"] = "runs/one/toy/figures/../../../../secret"
        entry |= {"bytes": 6, "sha256": hashlib.sha256(b"secret").hexdigest()}
    forged = stage.to_json(report)
    path(toy, "one", "report.json").write_text(forged)
    entry = next(p for p in (toy.volume.path / reuse.STORE / "toy").iterdir() if p.name != "newest")
    note = {"run_id": "one", "report": hashlib.sha256(forged.encode()).hexdigest()}
    entry.write_text(json.dumps(note))
    assert reason(run(toy, "two")) == "what is kept of earlier work cannot be read"
    assert secret.read_text() == "secret"


# Cut off in the middle

KILLED = """
import os, pathlib, signal, sys, time
sys.path.insert(0, {images!r})
import reuse, stage
calls = 0
def deadly(function):
    def call(*arguments, **named):
        global calls
        calls += 1
        if calls == {number}:
            os.kill(os.getpid(), signal.{signal})
            time.sleep(0.3)
        return function(*arguments, **named)
    return call
for place, name in [(os, "link"), (pathlib.Path, "rename"), (pathlib.Path, "replace")]:
    setattr(place, name, deadly(getattr(place, name)))
stage.leave(stage.main("toy", ["--run-id", "two"]))
"""


def kill_while_it_takes_over(toy: Toy, number: int, how: str) -> bool:
    """End run two at its so many-th link, rename or replacement; return whether it came so far."""
    program = KILLED.format(images=str(toy.images), number=number, signal=how)
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "SHARED_VOLUME": str(toy.volume.path)},
        capture_output=True,
        check=False,
    )
    assert done.returncode in (0, -9, 143), done
    return done.returncode != 0


@pytest.mark.parametrize("how", ["SIGKILL", "SIGTERM"])
def test_take_over_that_is_cut_off_anywhere_tears_nothing_and_is_done_by_the_next(toy, how):
    run(toy, "one")
    whole = {p: p.read_bytes() for p in path(toy, "one", "").rglob("*") if p.is_file()}
    number = 0
    while kill_while_it_takes_over(toy, number := number + 1, how):
        for kept, content in whole.items():
            assert kept.read_bytes() == content
            name = kept.relative_to(path(toy, "one", ""))
            made = path(toy, "two", str(name))
            assert name.name == "report.json" or not made.exists() or made.samefile(kept)
        if toy.volume.report("toy", "two"):
            assert toy.volume.report("toy", "two")["status"] in ("failed", "up to date")
        assert taken_from(toy.run("two")) in ("one", "two")
        assert sorted(p.name for p in path(toy, "two", "").iterdir()) == [
            *("figures", "kept.txt", "made.txt", "report.json")
        ]
        shutil.rmtree(path(toy, "two", ""))
        for note in (toy.volume.path / reuse.STORE / "toy").iterdir():
            note.unlink()
        toy.run("one")
        whole = {p: p.read_bytes() for p in path(toy, "one", "").rglob("*") if p.is_file()}
    assert number > 8


# The notes


def test_rerun_of_other_work_drops_the_note_of_the_former(toy):
    for count in (3, 4, 5):
        run(toy, "one", f"--max-count={count}")
    assert len(list((toy.volume.path / reuse.STORE / "toy").iterdir())) == 2  # and newest


def test_notes_of_removed_runs_are_dropped(toy):
    run(toy, "one", "--max-count=4"), run(toy, "two")
    shutil.rmtree(toy.volume.path / "runs/one")
    reuse.forget_removed(toy.volume.path)
    assert len(list((toy.volume.path / reuse.STORE / "toy").iterdir())) == 2
    assert taken_from(run(toy, "three")) == "two"


def test_volume_without_notes_has_none_to_drop(bare_volume):
    reuse.forget_removed(bare_volume.path)
    assert not (bare_volume.path / reuse.STORE).exists()


def test_runs_that_note_the_same_at_once_all_end_well(toy):
    names = [f"many{number}" for number in range(6)]
    for name in names:
        open_run(toy, name)
    toy.write(WORK)
    with ThreadPoolExecutor() as pool:
        assert [ended.code for ended in pool.map(toy.run, names)] == [0] * 6
    assert taken_from(toy.run("one")) in names
