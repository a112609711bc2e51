"""What all stages have in common, tried on invented stages that stand as they do in an image."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import stage
from stage import Contract, Run, StageError

IMAGES = Path(stage.__file__).parent
CONTRACT = """
summary = "A stage of 100 % invention."
packages = ["pytest", "no-such-package"]
{inputs}
[outputs."made.txt"]
help = "what it made"
[outputs."kept.txt"]
help = "kept on refusal"
kept_on_refusal = true
[outputs."extra.txt"]
help = "not made of every input"
optional = true
[outputs."figures/"]
help = "a folder, kept too"
kept_on_refusal = true

[parameters.size]
type = "number"
default = 0.5
exclusive_minimum = 0.0
maximum = 1.0
help = "a share, at most 100 %"
[parameters.max_count]
type = "integer"
default = 3
minimum = 1
exclusive_maximum = 10
help = "how many"
[parameters.flag]
type = "boolean"
default = true
help = "yes or no"
[parameters.colour]
type = "string"
default = "red"
enum = ["red", "green"]
help = "one of two"
[parameters.name]
type = "string"
default = ""
pattern = "[a-z]*"
help = "small letters"
[parameters.free]
type = "number"
default = 1.0
exclusive_minimum = 0.0
help = "any number above 0"
[parameters.source]
type = "string"
default = ""
help = "a path"

[resources]
memory = "64m"
cpus = 1.0
pids = 16
timeout_seconds = 60
"""
INPUT = """[inputs."runs/{run_id}/maker/made.csv"]
columns = ["{features}", "row", "{target}", "{time}", "{group}"]
"""
OPTIONAL = INPUT + "optional = true\n"
ALL = """
    run.output("made.txt").write_text("made")
    run.output("kept.txt").write_text("kept")
    run.output("figures/one.svg").write_text("one")
"""


class Toy:
    """An invented stage in a folder laid out like an image's /app."""

    def __init__(self, volume, images: Path) -> None:
        self.volume = volume
        self.images = images
        images.mkdir()
        for name in ("stage.py", "lease.py", "reuse.py", "exit_codes.toml"):
            shutil.copyfile(IMAGES / name, images / name)

    def write(self, work: str, inputs: str = "") -> None:
        folder = self.images / "toy"
        folder.mkdir(exist_ok=True)
        (folder / "stage.toml").write_text(CONTRACT.replace("{inputs}", inputs))
        lines = "\n".join("    " + line.strip("\n") for line in work.splitlines() if line.strip())
        header = "import os, signal, sys, time, warnings\nfrom stage import StageError, log\n\n"
        (folder / "main.py").write_text(f"{header}def run(run):\n{lines or '    pass'}\n")

    def start(self, *arguments: str, run_id: str | None = "demo", **options):
        named = ["--run-id", run_id] if run_id else []
        return self.volume.start("toy", *named, *arguments, images=self.images, **options)

    def run(self, work: str = ALL, *arguments: str, inputs: str = "", run_id="demo", **options):
        self.write(work, inputs)
        return self.volume.end(self.start(*arguments, run_id=run_id, **options), "toy")

    def files(self) -> list[str]:
        return self.volume.files("toy")


@pytest.fixture
def toy(bare_volume, tmp_path) -> Toy:
    return Toy(bare_volume, tmp_path / "app")


def contract_of(tmp_path: Path, text: str) -> Contract:
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "stage.toml").write_text(text)
    return Contract.load(tmp_path / "toy")


@pytest.fixture
def contract(tmp_path) -> Contract:
    return contract_of(tmp_path, CONTRACT.replace("{inputs}", INPUT))


@pytest.fixture
def run(contract, bare_volume) -> Run:
    return Run(contract, bare_volume.path, "demo", {})


# A stage that is done


def test_done_stage_exits_0_and_its_last_line_is_its_summary(toy):
    ended = toy.run(ALL + "\n    return {'rows': 3}")
    assert (ended.code, ended.errors) == (0, "")
    assert list(ended.summary) == [
        *("stage", "run_id", "status", "why", "seconds", "metrics", "error")
    ]
    assert ended.summary | {"seconds": 0} == {
        "stage": "toy",
        "run_id": "demo",
        "status": "done",
        "why": "toy works in every run",
        "seconds": 0,
        "metrics": {"rows": 3},
        "error": None,
    }


def test_report_lists_what_was_read_made_and_used(toy):
    toy.volume.write("data/x.csv", "abc")
    work = ALL + "\n    run.add_input('data/x.csv')\n    return {'rows': 3}"
    report = toy.run(work, "--max-count", "5").report
    assert list(report) == [
        *("stage", "run_id", "status", "started", "seconds", "parameters", "inputs", "outputs"),
        *("metrics", "versions", "peak_memory_bytes", "error"),
        *("taken_from", "why", "recipe", "revision"),
    ]
    sha256 = hashlib.sha256(b"abc").hexdigest()
    assert report["inputs"] == [{"path": "data/x.csv", "bytes": 3, "sha256": sha256}]
    assert [(out["path"], out["bytes"]) for out in report["outputs"]] == [
        ("runs/demo/toy/made.txt", 4),
        ("runs/demo/toy/kept.txt", 4),
        ("runs/demo/toy/figures/one.svg", 3),
    ]
    assert report["parameters"] == {
        "size": 0.5,
        "max_count": 5,
        "flag": True,
        "colour": "red",
        "name": "",
        "free": 1.0,
        "source": "",
    }
    assert report["versions"] == {
        "python": sys.version.split()[0],
        "pytest": pytest.__version__,
    }
    assert report["peak_memory_bytes"] > 2**20
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", report["started"])


def test_done_stage_leaves_its_outputs_its_report_and_nothing_else(toy):
    toy.run()
    assert toy.files() == ["figures/one.svg", "kept.txt", "made.txt", "report.json"]


def test_rerun_replaces_its_own_outputs_and_no_other_file(toy):
    toy.run(ALL + "\n    run.output('figures/old.svg').write_text('old')")
    toy.volume.write("runs/demo/toy/task.json", {"state": "running"})
    other = toy.volume.write("runs/demo/other/made.txt", "other")
    assert toy.run().code == 0
    assert toy.files() == ["figures/one.svg", "kept.txt", "made.txt", "report.json", "task.json"]
    assert other.read_text() == "other"


def test_last_line_comes_after_what_was_written_to_standard_error(toy):
    work = (
        ALL + "\n    sys.stderr = open(2, 'w', buffering=1000)\n    print('late', file=sys.stderr)"
    )
    ended = toy.run(work, stderr=subprocess.STDOUT)
    assert ended.lines[-2] == "late"
    assert ended.summary["status"] == "done"


def test_silent_work_keeps_its_progress_fresh(toy):
    work = (
        ALL
        + """
    run.progress(0.25, 'a quarter')
    path = run.folder / 'progress.json'
    first = path.read_text()
    while path.read_text() == first:
        time.sleep(0.05)
    return {'first': first, 'later': path.read_text()}
    """
    )
    ended = toy.run(work)
    first, later = (json.loads(ended.summary["metrics"][key]) for key in ("first", "later"))
    assert later.pop("updated") > first.pop("updated")
    assert first == later


def test_progress_is_told_while_the_stage_works_and_removed_at_its_end(toy):
    work = ALL + (
        "\n    run.progress(0.25, 'a quarter')"
        "\n    return {'seen': (run.folder / 'progress.json').read_text()}"
    )
    ended = toy.run(work)
    seen = json.loads(ended.summary["metrics"]["seen"])
    assert seen.pop("updated").endswith("Z")
    assert seen == {"stage": "toy", "run_id": "demo", "fraction": 0.25, "message": "a quarter"}
    assert any("25 % a quarter" in line for line in ended.lines)
    assert "progress.json" not in toy.files()


# The command line


def test_help_explains_each_parameter_and_needs_no_volume(toy):
    toy.write(ALL)
    shutil.rmtree(toy.volume.path)
    ended = toy.volume.end(toy.start("--help", run_id=None), "toy")
    text = " ".join(" ".join(ended.lines).split())
    assert (ended.code, ended.errors) == (0, "")
    assert "A stage of 100 % invention." in text
    assert "--size NUMBER a share, at most 100 % (default: 0.5)" in text
    assert "--max-count INTEGER how many (default: 3)" in text
    assert "--flag BOOLEAN yes or no (default: True)" in text
    assert "--colour red|green one of two (default: red)" in text
    assert "--run-id RUN_ID folder under runs/ that the run's files stand in" in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--size", "nan"], "argument --size: 'nan' is refused: size must be finite"),
        (["--size", "inf"], "argument --size: 'inf' is refused: size must be finite"),
        (["--size", "0"], "argument --size: '0' is refused: size must be above 0.0"),
        (["--size", "1.01"], "argument --size: '1.01' is refused: size must be at most 1.0"),
        (["--size", "x"], "argument --size: 'x' is no number"),
        (["--free", "inf"], "argument --free: 'inf' is refused: free must be finite"),
        (
            ["--max-count", "0"],
            "argument --max-count: '0' is refused: max_count must be at least 1",
        ),
        (
            ["--max-count", "10"],
            "argument --max-count: '10' is refused: max_count must be below 10",
        ),
        (["--max-count", "2.5"], "argument --max-count: '2.5' is no integer"),
        (["--flag", "yes"], "argument --flag: 'yes' is no boolean"),
        (["--colour", "blue"], "'blue' is refused: colour must be one of red, green"),
        (["--name", "../x"], "argument --name: '../x' is refused: name must be of the form [a-z]*"),
        (["--source", "\udcff.csv"], "argument --source: '\\udcff.csv' is no string"),
        (["--source"], "argument --source: expected one argument"),
        (["--sizes", "1"], "unrecognized arguments: --sizes 1"),
        (["--siz", "1"], "unrecognized arguments: --siz 1"),
    ],
)
def test_bad_parameter_is_named_with_its_rule(contract, words, message):
    with pytest.raises(StageError) as raised:
        contract.parser().parse_args(["--run-id", "demo", *words])
    assert raised.value.code == 2
    assert message in str(raised.value)
    assert str(raised.value).endswith("; see toy --help")


@pytest.mark.parametrize(
    ("words", "name", "value"),
    [
        (["--size", "1"], "size", 1.0),
        (["--size", "1e-300"], "size", 1e-300),
        (["--max-count", "9"], "max_count", 9),
        (["--flag", "FALSE"], "flag", False),
        (["--flag", "true"], "flag", True),
        (["--name", ""], "name", ""),
    ],
)
def test_value_on_the_limit_is_taken(contract, words, name, value):
    parsed = vars(contract.parser().parse_args(["--run-id", "demo", *words]))
    assert (parsed[name], type(parsed[name])) == (value, type(value))


@pytest.mark.parametrize(
    "run_id", ["../x", ".hidden", "", "a/b", "a" * 201, "a b", "a\n", "\0", "ü", "a\x1b[31m"]
)
def test_unsafe_run_id_is_refused(contract, run_id):
    with pytest.raises(StageError, match="is no run id: use letters, digits and") as raised:
        contract.parser().parse_args(["--run-id", run_id])
    assert raised.value.code == 2


@pytest.mark.parametrize(
    "run_id", ["a" * 200, "manual__2026-11-23T19:30:00.123456+00:00", "_", "a..b", "~x"]
)
def test_run_id_that_airflow_allows_is_taken(contract, run_id):
    assert contract.parser().parse_args(["--run-id", run_id]).run_id == run_id


def test_missing_run_id_exits_2(toy):
    ended = toy.run(ALL, run_id=None)
    assert (ended.code, ended.summary["run_id"]) == (2, None)
    assert ended.summary["error"] == {
        "code": 2,
        "cause": "bad command line",
        "message": "the following arguments are required: --run-id; see toy --help",
    }


def test_bad_parameter_exits_2_with_a_report_in_its_run(toy):
    ended = toy.run(ALL, "--size", "7")
    assert (ended.code, ended.errors) == (2, "")
    assert ended.report["error"] == ended.summary["error"]
    assert "size must be at most 1.0" in ended.message
    assert toy.files() == ["report.json"]


def test_run_id_that_leaves_the_runs_folder_writes_nothing(toy):
    ended = toy.run(ALL, run_id="../x")
    assert (ended.code, ended.report) == (2, None)
    assert [p.name for p in toy.volume.path.iterdir()] == [stage.MARKER]


def test_unknown_stage_is_refused_with_those_there_are(toy):
    toy.write(ALL)
    ended = toy.volume.end(toy.volume.start("nothing", images=toy.images), "nothing")
    assert (ended.code, ended.lines) == (1, [""])
    assert ended.errors.strip().endswith("STAGE is one of toy")


# Paths and the volume


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "data/../../x", "data/link", "a\0b"])
def test_path_that_leaves_the_volume_is_refused(run, path):
    (run.volume / "data").mkdir()
    (run.volume / "data" / "link").symlink_to("/etc/passwd")
    with pytest.raises(StageError, match="leaves the shared volume; name one inside it") as raised:
        run.path(path)
    assert raised.value.code == 2


def test_path_that_leaves_the_volume_exits_2(toy):
    ended = toy.run("    run.add_input(run.parameters['source'])", "--source", "../../etc/passwd")
    assert (ended.code, ended.report["status"]) == (2, "failed")
    assert ended.message == ("path '../../etc/passwd' leaves the shared volume; name one inside it")


@pytest.mark.parametrize("link", ["runs", "runs/demo", "runs/demo/toy"])
def test_run_folder_that_links_out_of_the_volume_exits_2_and_stays_untouched(toy, tmp_path, link):
    outside = tmp_path / "outside"
    outside.mkdir()
    path = toy.volume.path / link
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(outside)
    ended = toy.run()
    assert (ended.code, ended.errors) == (2, "")
    assert "leaves the shared volume" in ended.message
    assert list(outside.iterdir()) == []


def test_volume_without_marker_exits_66_and_says_how_to_mount_it(toy):
    (toy.volume.path / stage.MARKER).unlink()
    ended = toy.run()
    assert (ended.code, ended.summary["error"]["cause"]) == (66, "input missing")
    assert ended.message == (
        f"{toy.volume.path} is not the shared volume (it has no .ad-click-volume); "
        'mount it with -v "$PWD/shared_volume:/shared_volume"'
    )
    assert list(toy.volume.path.iterdir()) == []


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("data/no.csv", "data/no.csv is missing on the shared volume"),
        ("data", "data is no file on the shared volume"),
        ("a" * 300, f"{'a' * 300} is missing on the shared volume"),
        ("data/loop", "data/loop is missing on the shared volume"),
    ],
)
def test_input_that_is_no_file_is_missing(run, path, message):
    (run.volume / "data").mkdir()
    (run.volume / "data" / "loop").symlink_to("loop")
    with pytest.raises(StageError) as raised:
        run.add_input(path)
    assert (raised.value.code, str(raised.value)) == (66, message)


# Inputs


def made(volume, *, status: str = "done", sha256: str | None = None, text: str = "a\n") -> None:
    path = volume.write("runs/demo/maker/made.csv", text)
    digest = sha256 or hashlib.sha256(path.read_bytes()).hexdigest()
    output = {"path": "runs/demo/maker/made.csv", "bytes": len(text), "sha256": digest}
    volume.write("runs/demo/maker/report.json", {"status": status, "outputs": [output]})


def test_input_of_a_stage_that_is_done_is_read(toy):
    made(toy.volume)
    ended = toy.run(ALL + "\n    return {'text': run.input('made.csv').read_text()}", inputs=INPUT)
    assert (ended.code, ended.summary["metrics"]) == (0, {"text": "a\n"})


def test_input_whose_maker_has_not_run_exits_66_and_names_it(toy):
    ended = toy.run(ALL, inputs=INPUT)
    assert (ended.code, ended.report["status"]) == (66, "failed")
    assert ended.message == (
        "runs/demo/maker/made.csv is not there: maker has not run in run demo; run maker first"
    )


def test_input_whose_maker_failed_exits_66_though_the_file_is_there(toy):
    made(toy.volume, status="failed")
    ended = toy.run(ALL, inputs=INPUT)
    assert ended.code == 66
    assert "maker failed in run demo" in ended.message


def test_input_that_its_maker_wrote_and_someone_removed_exits_66(toy):
    made(toy.volume)
    toy.volume.folder("maker/made.csv").unlink()
    ended = toy.run(ALL, inputs=INPUT)
    assert (ended.code, ended.message) == (
        66,
        "runs/demo/maker/made.csv is missing on the shared volume",
    )


def test_input_changed_after_it_was_made_exits_65(toy):
    made(toy.volume, sha256="0" * 64)
    ended = toy.run(ALL, inputs=INPUT)
    assert (ended.code, ended.message) == (
        65,
        "runs/demo/maker/made.csv was changed after maker wrote it; run maker again",
    )


def test_failed_check_of_inputs_removes_the_former_result(toy):
    toy.run()
    assert toy.run(ALL, inputs=INPUT).code == 66
    assert toy.files() == ["report.json"]


def test_optional_input_may_be_absent(toy):
    ended = toy.run(ALL + "\n    return {'inputs': list(run.inputs)}", inputs=OPTIONAL)
    assert (ended.code, ended.summary["metrics"]) == (0, {"inputs": []})


def test_optional_input_that_is_there_is_checked(toy):
    made(toy.volume, status="failed")
    assert toy.run(ALL, inputs=OPTIONAL).code == 66


def test_input_that_the_contract_does_not_declare_is_not_found(run):
    with pytest.raises(FileNotFoundError):
        run.input("other.csv")


@pytest.mark.parametrize(
    ("time", "group", "last"),
    [(None, None, []), ("when", None, ["when"]), (None, "who", ["who"]), ("w", "v", ["w", "v"])],
)
def test_columns_stand_for_what_the_run_was_opened_with(run, bare_volume, time, group, last):
    roles = {"features": ["x", "{y}"], "target": "{features}", "time": time, "group": group}
    bare_volume.write("runs/demo/start_pipeline/run.json", roles)
    run.add_input("runs/demo/start_pipeline/run.json")
    assert run.columns("made.csv") == ["x", "{y}", "row", "{features}", *last]


def test_input_that_is_no_json_is_refused(run, bare_volume):
    bare_volume.write("data/x.json", "{")
    run.add_input("data/x.json")
    with pytest.raises(StageError, match=r"data/x\.json is no valid JSON: Expecting") as raised:
        run.read_json("x.json")
    assert raised.value.code == 65


# Failures: nothing half-made, one sentence, a report


def test_crash_exits_70_with_one_line_and_the_traceback_in_the_log(toy):
    ended = toy.run(ALL + "\n    raise ValueError('first\\nsecond')")
    assert (ended.code, ended.errors) == (70, "")
    assert ended.report["error"] == ended.summary["error"]
    assert ended.summary["error"] == {
        "code": 70,
        "cause": "crashed",
        "message": r"crashed with ValueError: first\nsecond",
    }
    log = ended.lines[:-1]
    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ (INFO|ERROR) ", line) for line in log)
    assert any("Traceback (most recent call last)" in line for line in log)
    assert any("raise ValueError" in line for line in log)
    assert log[-1].endswith(r"ERROR crashed: crashed with ValueError: first\nsecond")


def test_crash_leaves_no_output_of_this_try_or_an_earlier_one(toy):
    toy.run()
    toy.volume.write("runs/demo/toy/task.json", {})
    toy.run(ALL + "\n    raise ValueError('x')")
    assert toy.files() == ["report.json", "task.json"]
    assert [p.name for p in toy.volume.folder("toy").glob(".*")] == []


def test_crash_after_a_success_reports_no_outputs(toy):
    toy.run()
    report = toy.run(ALL + "\n    raise ValueError('x')").report
    assert (report["status"], report["outputs"]) == ("failed", [])


def test_output_that_was_not_written_exits_70_and_none_is_kept(toy):
    ended = toy.run("    run.output('made.txt').write_text('x')")
    assert (ended.code, ended.message) == (70, "toy did not write its output kept.txt")
    assert (toy.files(), ended.report["outputs"]) == (["report.json"], [])


def test_optional_output_is_moved_into_place_where_it_was_written(toy):
    ended = toy.run(ALL + '\n    run.output("extra.txt").write_text("extra")')
    assert (ended.code, "extra.txt" in toy.files()) == (0, True)
    assert "extra.txt" in [Path(out["path"]).name for out in ended.report["outputs"]]


def test_optional_output_that_a_try_did_not_write_is_no_error_and_no_older_one_stays(toy):
    toy.run(ALL + '\n    run.output("extra.txt").write_text("extra")')
    ended = toy.run(ALL)
    assert (ended.code, "extra.txt" in toy.files()) == (0, False)


def test_output_that_is_not_declared_exits_70(toy):
    ended = toy.run("    run.output('other.txt')")
    assert ended.code == 70
    assert "toy/stage.toml declares no output 'other.txt'" in ended.message


@pytest.mark.parametrize("value", ["float('nan')", "{1, 2}"])
def test_metrics_that_are_no_json_exit_70_with_a_report(toy, value):
    ended = toy.run(ALL + f"\n    return {{'rows': {value}}}")
    assert (ended.code, ended.report["error"]["code"], ended.report["metrics"]) == (70, 70, {})


def test_stage_whose_module_cannot_be_imported_exits_70(toy):
    toy.write("    pass")
    (toy.images / "toy" / "main.py").write_text("import no_such_module")
    ended = toy.volume.end(toy.start(), "toy")
    assert (ended.code, ended.report["status"]) == (70, "failed")
    assert ended.message == "crashed with ModuleNotFoundError: No module named 'no_such_module'"


def test_broken_contract_exits_70_and_names_the_key(toy):
    toy.write(ALL)
    path = toy.images / "toy" / "stage.toml"
    path.write_text(path.read_text().replace("[parameters.size]", "[parameters.size]\nminimun = 1"))
    ended = toy.volume.end(toy.start(), "toy")
    assert ended.code == 70
    assert ended.message.endswith("unknown key 'minimun' of parameters.size")


@pytest.mark.parametrize(("code", "cause"), [(65, "data refused"), (80, "quality gate missed")])
def test_refusal_keeps_the_outputs_marked_for_it_and_no_others(toy, code, cause):
    ended = toy.run(ALL + f"\n    raise StageError({code}, 'not good enough')")
    assert (ended.code, ended.summary["error"]) == (
        code,
        {"code": code, "cause": cause, "message": "not good enough"},
    )
    assert toy.files() == ["figures/one.svg", "kept.txt", "report.json"]
    assert [Path(out["path"]).name for out in ended.report["outputs"]] == ["kept.txt", "one.svg"]


def test_other_failure_keeps_no_output(toy):
    assert toy.run(ALL + "\n    raise StageError(66, 'x')").code == 66
    assert toy.files() == ["report.json"]


def test_metrics_known_before_a_refusal_are_reported(toy):
    ended = toy.run(ALL + "\n    run.metrics = {'rows': 3}\n    raise StageError(80, 'x')")
    assert ended.report["metrics"] == ended.summary["metrics"] == {"rows": 3}


def test_too_little_memory_exits_137(toy):
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))

    ended = toy.run("    return {'x': len(bytearray(2**31))}", preexec_fn=limit)
    assert (ended.code, ended.summary["error"]) == (
        137,
        {
            "code": 137,
            "cause": "out of memory",
            "message": "the work does not fit into the memory it may use",
        },
    )
    assert toy.files() == ["report.json"]


def test_file_size_limit_exits_73(toy):
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))

    ended = toy.run("    run.output('made.txt').write_text('x' * 20_000)", preexec_fn=limit)
    assert (ended.code, ended.summary["error"]["cause"]) == (73, "output cannot be written")
    assert "cannot be written: File too large" in ended.message
    assert toy.files() == ["report.json"]


def test_full_disk_exits_73_and_leaves_no_part(toy, small_disk):
    toy.volume.path = small_disk
    (small_disk / stage.MARKER).touch()
    ended = toy.run("    run.output('made.txt').write_text('x' * 2**23)")
    assert (ended.code, ended.message) == (
        73,
        "the output cannot be written: No space left on device",
    )
    assert ended.report["error"]["code"] == 73
    assert toy.files() == ["report.json"]


def test_disk_too_full_for_the_report_exits_73_and_says_so_in_the_last_line(toy, small_disk):
    toy.volume.path = small_disk
    (small_disk / stage.MARKER).touch()
    toy.volume.folder("toy").mkdir(parents=True)
    with contextlib.suppress(OSError):
        (small_disk / "filler").write_bytes(b"x" * 2**23)
    ended = toy.run()
    assert (ended.code, ended.report) == (73, None)
    assert ended.message.endswith("cannot be written: No space left on device")
    assert toy.files() == []


def test_read_only_volume_exits_73(toy, small_disk):
    toy.volume.path = small_disk
    (small_disk / stage.MARKER).touch()
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    ended = toy.run()
    assert (ended.code, ended.summary["error"]["cause"]) == (73, "output cannot be written")
    assert ended.message == (
        f"the output {small_disk}/runs cannot be written: Read-only file system"
    )


# SIGTERM

SLEEP = "    time.sleep(600)"
NUMPY = """
    import numpy
    numbers = numpy.random.default_rng(1).random(10**8)
    print('working', flush=True)
    for _ in range(10**6): numbers.sort(); numpy.random.default_rng(1).random(out=numbers)
"""


def stopped(toy, work: str):
    """Start a stage, send SIGTERM once it says that it works, and return how it ended."""
    toy.write(work)
    process = toy.start()
    while "working" not in process.stdout.readline():
        pass
    process.send_signal(signal.SIGTERM)
    return toy.volume.end(process, "toy")


@pytest.mark.parametrize(
    "work", ["    print('working', flush=True)\n" + SLEEP, NUMPY], ids=["sleep", "numpy"]
)
def test_sigterm_exits_143_with_a_report_and_no_output(toy, work):
    ended = stopped(toy, ALL + work)
    assert (ended.code, ended.errors) == (143, "")
    assert ended.report["error"] == ended.summary["error"]
    assert ended.summary["error"] == {
        "code": 143,
        "cause": "stopped",
        "message": "stopped by SIGTERM before it was done",
    }
    assert toy.files() == ["report.json"]
    assert [p.name for p in toy.volume.folder("toy").iterdir()] == ["report.json"]


def test_sigterm_ends_a_stage_whose_output_nobody_reads_any_more(toy):
    toy.write("    print('working', flush=True)\n" + SLEEP)
    process = toy.start()
    while "working" not in process.stdout.readline():
        pass
    process.stdout.close()
    process.stderr.close()
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=120) == 143
    assert toy.volume.report("toy")["error"]["code"] == 143


def test_stage_whose_output_nobody_reads_any_more_does_its_work(toy):
    toy.write("    sys.stdin.readline()\n" + ALL)
    process = toy.start(stdin=subprocess.PIPE)
    process.stdout.close()
    process.stdin.write("\n")
    process.stdin.close()
    with process.stderr:
        process.stderr.read()
    assert process.wait(timeout=120) == 0
    assert toy.volume.report("toy")["status"] == "done"


def test_sigterm_while_outputs_are_written_leaves_nothing(toy):
    work = """
    print('working', flush=True)
    while True:
        run.output(f'figures/{time.time_ns()}').write_text('x')
        run.progress(0.5, 'still')
    """
    ended = stopped(toy, work)
    assert ended.code == 143
    assert [p.name for p in toy.volume.folder("toy").iterdir()] == ["report.json"]


def test_scratch_folder_is_out_of_the_works_reach_before_it_is_removed(run, monkeypatch):
    reachable = []
    run.folder.mkdir(parents=True)
    with stage.scratch_folder(run):
        run.output("made.txt").write_text("x")
        scratch, rmtree = run.scratch, shutil.rmtree
        monkeypatch.setattr(
            stage.shutil,
            "rmtree",
            lambda path, **options: (reachable.append(scratch.exists()), rmtree(path, **options)),
        )
    assert (reachable, list(run.folder.iterdir())) == ([False, False], [])


def test_sigterm_while_outputs_are_moved_waits_until_all_are_in_place(toy):
    work = """
    import stage
    flush = stage.flush
    def late(path):
        flush(path)
        if path == run.folder:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.3)
    stage.flush = late
    """
    ended = toy.run(work + ALL)
    assert (ended.code, ended.report["status"]) == (0, "done")
    assert toy.files() == ["figures/one.svg", "kept.txt", "made.txt", "report.json"]


def test_sigterm_after_the_outputs_are_in_place_exits_0(toy):
    work = """
    commit = run.commit
    def late(gathered):
        commit(gathered)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(600)
    run.commit = late
    """
    ended = toy.run(work + ALL)
    assert (ended.code, ended.report["status"], len(ended.report["outputs"])) == (0, "done", 3)


def test_sigterm_while_a_failure_is_reported_changes_nothing(toy):
    work = """
    import stage
    finish = stage.Ending.finish
    def late(self, error):
        stage.Ending.finish = finish
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.3)
        return finish(self, error)
    stage.Ending.finish = late
    raise StageError(66, "the reason")
    """
    ended = toy.run(work)
    assert (ended.code, ended.message) == (66, "the reason")


def test_ctrl_c_exits_143(toy):
    # Whoever runs the tests in the background has them ignore Ctrl-C, and all that they start.
    heed = "    signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    ended = toy.run(heed + "    os.kill(os.getpid(), signal.SIGINT); time.sleep(600)")
    assert (ended.code, ended.message) == (143, "stopped by a person (Ctrl-C)")


def test_kill_leaves_no_report_and_the_next_try_cleans_up(toy):
    ended = toy.run(ALL + "\n    os.kill(os.getpid(), signal.SIGKILL)")
    assert (ended.code, ended.report) == (-9, None)
    assert len(list(toy.volume.folder("toy").glob(".scratch-*"))) == 1
    assert toy.run().code == 0
    assert sorted(p.name for p in toy.volume.folder("toy").iterdir()) == [
        *("figures", "kept.txt", "made.txt", "report.json"),
    ]


def test_next_try_removes_what_any_process_left_half_written(toy):
    folder = toy.volume.folder("toy")
    folder.mkdir(parents=True)
    for name in (".report.json.7", ".progress.json.123"):
        (folder / name).write_text('{"sta')
    assert toy.run().code == 0
    assert sorted(p.name for p in folder.glob(".*")) == []


# The log


def test_log_lines_hold_no_control_characters(toy):
    ended = toy.run(ALL + "\n    log.info('a\\rb\\x1b[31mc\\u2028d\\x85e\\nf')")
    assert any(line.endswith(r"INFO a\rb\x1b[31mc\u2028d\x85e\nf") for line in ended.lines)
    assert all(line.isprintable() for line in ended.lines)


def test_warnings_of_libraries_are_logged(toy):
    ended = toy.run(ALL + "\n    warnings.warn('old way')")
    assert ended.errors == ""
    assert any("WARNING" in line and "old way" in line for line in ended.lines)


def test_one_line_shortens_to_its_limit():
    assert stage.one_line("x" * 1001) == "x" * 999 + "…"
    assert stage.one_line("x" * 1000) == "x" * 1000


# Parts


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("summary =", "sumary = 1\nsummary =", "unknown key 'sumary'"),
        ('help = "how many"', 'hlp = "x"', "unknown key 'hlp' of parameters.max_count"),
        ("pids", "pid", "unknown key 'pid' of resources"),
        ("kept_on_refusal", "kept", "unknown key 'kept' of outputs.kept.txt"),
        ("columns", "colums", "unknown key 'colums' of inputs.runs/{run_id}/maker/made.csv"),
    ],
)
def test_unknown_key_in_a_contract_is_an_error(tmp_path, old, new, message):
    text = CONTRACT.replace("{inputs}", INPUT).replace(old, new, 1)
    with pytest.raises(ValueError, match=f"{re.escape(message)}$"):
        contract_of(tmp_path, text)


def test_atomic_write_that_fails_keeps_the_old_file_alone(tmp_path):
    path = tmp_path / "report.json"
    path.write_text("old")
    with contextlib.suppress(UnicodeEncodeError):
        stage.write_atomic(path, "\udcff")
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("report.json", "old")]


def test_json_never_holds_nan():
    with pytest.raises(ValueError, match="Out of range float"):
        stage.to_json({"x": float("nan")})


@pytest.mark.parametrize("content", ["", "[]", "{", "null"])
def test_report_that_cannot_be_read_is_empty(tmp_path, content):
    (tmp_path / "report.json").write_text(content)
    assert stage.read_report(tmp_path) == {}


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (PermissionError(13, "denied", "x"), 73, "the output x cannot be written: Permission"),
        (OSError(122, "quota"), 73, "the output cannot be written: Disk quota exceeded"),
        (FileNotFoundError(2, "no", "x"), 70, "crashed with FileNotFoundError"),
        (MemoryError(), 137, "the work does not fit into the memory it may use"),
        (KeyboardInterrupt(), 143, "stopped by a person (Ctrl-C)"),
        (StageError(80, "x"), 80, "x"),
    ],
)
def test_each_kind_of_error_has_its_exit_code(error, code, message):
    ended = stage.as_stage_error(error)
    assert (ended.code, str(ended)[: len(message)]) == (code, message)
