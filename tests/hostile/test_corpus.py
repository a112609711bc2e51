"""Each case of the hostile corpus, through the stages that open and read a data file."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.hostile.cases import CONTRACTS, Case
from tests.hostile.generate import MANIFEST, corpus, manifest, written
from tests.images.conftest import IMAGES, Ended, Volume

CASES = corpus()
STAGES = ("start_pipeline", "load_data")
MEMORY = 2**30
# Only a net for a process that hangs; how long a case takes is told by benchmarks, not by a test.
HANGS_SECONDS = 300
ADDRESS_SPACE = 8 * 2**30
TURNING = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
PUBLISHED = {
    "model/logistic_regression_model.pkl": b"a model",
    "model/model_summary.txt": b"its summary",
    "runs/former/load_data/report.json": b"{}",
}


def make_volume(path: Path, *contracts: str) -> Volume:
    """Return a volume with contracts, their plain files, and what an earlier run published."""
    volume = Volume.make(path, data=None)
    (path / "data").mkdir()
    for name in contracts:
        contract, sheet, encoding = CONTRACTS[name]
        (path / "data" / f"{name}.toml").write_text(contract, encoding="utf-8")
        (path / "data" / f"{name}.csv").write_bytes(sheet.text().encode(encoding))
    for name, content in PUBLISHED.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return volume


@pytest.fixture
def volume(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Volume]:
    """A volume with the case's contract, its plain file, and what an earlier run published."""
    # A thousand times to the disk and back would be most of what the corpus takes.
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    yield make_volume(tmp_path / "shared_volume", case.contract)
    shutil.rmtree(tmp_path)


@pytest.fixture(scope="session")
def plain_tables(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The tables of the plain files, by contract: what each case that is taken must give."""
    volume = make_volume(tmp_path_factory.mktemp("plain") / "shared_volume", *CONTRACTS)
    tables: dict[str, pa.Table] = {}

    def table(contract: str) -> pa.Table:
        if contract not in tables:
            for stage in STAGES:
                ended = volume.run(stage, "--dataset", contract, run_id=contract)
                assert ended.code == 0, ended.message
            tables[contract] = pq.read_table(volume.folder("load_data/table.parquet", contract))
        return tables[contract]

    return table


def run_case(case: Case, volume: Volume) -> Ended:
    """Run the stages on a case until one refuses it."""
    for stage in STAGES:
        run = run_apart if case.heavy else volume.run
        ended = run(stage, *arguments_of(case, stage), **({"volume": volume} if case.heavy else {}))
        if ended.code != 0:
            break
    return ended


def arguments_of(case: Case, stage: str) -> tuple[str, ...]:
    """Return what a stage is told; one that reads is told nothing that the run does not know."""
    return case.command_line() if stage == STAGES[0] else ()


def run_apart(stage: str, *arguments: str, volume: Volume) -> Ended:
    """Run a stage as a process of its own, whose memory is its own."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))

    process = volume.start(stage, "--run-id", "demo", *arguments, preexec_fn=limit)
    try:
        printed, errors = process.communicate(timeout=HANGS_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        pytest.fail(f"{stage} hangs")
    lines = printed.removesuffix("\n").split("\n")
    return Ended(process.returncode, lines, errors, volume.report(stage))


def contents(volume: Volume) -> dict[str, Any]:
    """Return what stands outside of the run's own folder: each name, and the bytes of small files.

    What is no file, or large, is told by its kind, size and time alone.
    """
    found: dict[str, Any] = {}
    for path in sorted(volume.path.rglob("*")):
        name = str(path.relative_to(volume.path))
        # Beside it, the notes of what may be taken over.
        if name.split("/")[:2] in (["runs", "demo"], ["runs", ".done"]):
            continue
        state = path.lstat()
        small = path.is_file() and not path.is_symlink() and state.st_size < 10**6
        found[name] = path.read_bytes() if small else (state.st_mode, state.st_size)
    return found


def each(cases: list[Case]) -> pytest.MarkDecorator:
    """Run a test once a case."""
    return pytest.mark.parametrize("case", cases, ids=[f"{c.theme}-{c.name}" for c in cases])


@each([case for case in CASES if not case.heavy])
def test_case_ends_as_the_manifest_says(case: Case, volume: Volume, plain_tables: Any) -> None:
    assert_ends(case, volume, plain_tables)


@each([case for case in CASES if case.heavy])
def test_heavy_case_ends_as_the_manifest_says_within_1_gib(
    case: Case, volume: Volume, plain_tables: Any
) -> None:
    assert_ends(case, volume, plain_tables)


def assert_ends(case: Case, volume: Volume, plain_tables: Any) -> None:
    """The case ends as expected, and brings about none of what it must never."""
    case.put(volume.path)
    before = contents(volume)
    ended = run_case(case, volume)
    assert_never(ended, volume, case)
    assert contents(volume) == before
    if case.expected == "same" or (case.expected == "either" and ended.code == 0):
        assert ended.code == 0, ended.message
        assert_taken(case, volume, plain_tables(case.contract))
    else:
        assert ended.code == case.code, ended.summary
        assert_refused(case, ended, volume)


def assert_never(ended: Ended, volume: Volume, case: Case) -> None:
    """No crash, no traceback, no character that is not to be seen, no memory without bounds."""
    assert ended.code != 70, "\n".join(ended.lines)
    printed = "\n".join(ended.lines)
    assert "Traceback" not in printed + ended.errors
    # What a test run itself may write to stderr is the interpreter's own, never the file's.
    assert unseen(printed) == ""
    assert not ended.errors, ended.errors
    for line in ended.lines[:-1]:
        assert len(line) < 2000
    if case.heavy and ended.report:
        assert ended.report["peak_memory_bytes"] < MEMORY
    assert not any(path.name.startswith(".scratch") for path in volume.path.rglob(".scratch*"))


def unseen(text: str) -> str:
    """Return the characters that control a terminal, turn the direction of text, or hide."""
    lines = text.replace("\n", "")
    return "".join(
        c for c in lines if not c.isprintable() or unicodedata.bidirectional(c) in TURNING
    )


def assert_taken(case: Case, volume: Volume, plain: pa.Table) -> None:
    """The table is the plain file's, and each row that is not in it was counted."""
    table = pq.read_table(volume.folder("load_data/table.parquet"))
    rules = volume.read("start_pipeline/run.json")["contract"]["columns"]
    used = [name for name, column in rules.items() if column["role"] != "unused"]
    assert set(used) == {name for name in used if name in plain.column_names}
    expected = {name: plain[name].to_pylist() for name in used}
    for row, column, value in case.holds:
        expected[column][row] = value
    for row in sorted(case.without, reverse=True):
        for values in expected.values():
            del values[row]
    assert {name: table[name].to_pylist() for name in used} == expected

    metrics = volume.report("load_data")["metrics"]
    assert metrics["rows_dropped"] == case.dropped
    assert metrics["rows"] == table.num_rows == len(expected[used[0]])
    assert volume.read("load_data/validation.json")["valid"] is True


def assert_refused(case: Case, ended: Ended, volume: Volume) -> None:
    """One sentence names file, place and rule; the list of violations is complete."""
    error = ended.summary["error"]
    message = error["message"]
    assert ended.report is None or ended.report["error"] == error
    assert ended.report or case.code == 2
    assert unseen(message) == ""
    for words in case.says:
        assert words in message
    if case.theme == "contract" and case.line is not None:
        assert f"data/advertising.toml, line {case.line}:" in message
    if error["code"] != 65 or ended.summary["stage"] != "load_data":
        assert not volume.folder("load_data").exists()
        return
    assert volume.files("load_data") == ["report.json", "validation.json"]
    report = volume.read("load_data/validation.json")
    assert report["valid"] is False
    listed = report["first_violations"]
    total = sum(report["violations_by_rule"].values())
    assert total == report["violations"] >= 1
    assert len(listed) == min(total, 1000)
    assert_placed(case, message, listed[0])
    for violation in listed:
        texts = [violation.get(key) for key in ("value", "rule")]
        assert unseen("".join(str(text) for text in texts)) == ""
        assert len(str(violation["value"])) <= 200


def assert_placed(case: Case, message: str, first: dict[str, Any]) -> None:
    """The sentence and the list name the place that the case knows."""
    if case.file.isascii() and case.file.isprintable() and case.place is None:
        assert f"data/{case.file}" in message
    if case.line is not None:
        assert f"line {case.line}" in message
        assert first["line"] == case.line
    if case.row is not None:
        assert f"row {case.row}" in message
        assert first["row"] == case.row
    if case.column is not None:
        assert case.column in message
        assert first["column"] == case.column


# The corpus itself


def test_manifest_is_current() -> None:
    assert MANIFEST.read_text(encoding="ascii") == written(manifest(CASES)), (
        "run python -m tests.hostile.generate"
    )


def test_corpus_is_large_and_covers_every_theme() -> None:
    counts = json.loads(MANIFEST.read_text())["counts"]
    assert sum(counts.values()) >= 250
    assert min(counts.values()) >= 20, counts


def test_cases_are_made_the_same_again() -> None:
    again = {case.name: case for case in corpus()}
    for case in CASES:
        if not case.heavy and case.place is None:
            assert again[case.name].bytes() == case.bytes(), case.name


def test_generator_writes_the_files_by_name(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    program = f"import sys; sys.path.insert(0, {str(root)!r}); from tests.hostile import generate"
    command = f"{program}; generate.MANIFEST = generate.Path({str(tmp_path / 'm')!r}); "
    command += f"generate.main([{str(tmp_path)!r}, 'crlf', 'gzip'])"
    environment = {**os.environ, "PYTHONPATH": str(IMAGES)}
    subprocess.run([sys.executable, "-c", command], check=True, env=environment)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["crlf", "gzip", "m"]
