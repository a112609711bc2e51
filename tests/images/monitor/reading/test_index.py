"""index.py: lists, searches, order and counts, the same from every process, rebuilt at will."""

import contextlib
import os
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import monitor
from monitor.reading.evaluation import SCORES
from monitor.reading.index import SORTS, VERSION, Index, Page, Query
from monitor.reading.mailbox import Envelope
from monitor.reading.record import Record
from monitor.reading.run import Run
from monitor.reading.stages import Stage
from monitor.reading.watch import Watch

START = datetime(2026, 11, 23, 19, 30, tzinfo=UTC)
# Puts 40 runs, one by one, when it is told to; without Flask, which takes long to import.
PUT = f"""
import sys, types
from datetime import UTC, datetime
from pathlib import Path
package = sys.modules["monitor"] = types.ModuleType("monitor")
package.__path__ = [{str(Path(monitor.__file__).parent)!r}]
from monitor.reading.index import Index
from monitor.reading.run import Run
sys.stdin.readline()
index = Index(Path(sys.argv[1]))
for number in range(40):
    index.put_runs([("s", Run(f"{{sys.argv[2]}}-{{number}}", "success", datetime.now(UTC)))])
"""


def a_run(run_id, minutes=0, *, state="success", accuracy=None, **more):
    metrics = Record({} if accuracy is None else {"accuracy": accuracy})
    started = START + timedelta(minutes=minutes)
    return Run(run_id=run_id, state=state, started=started, metrics=metrics, **more)


def failed(run_id, cause="crashed", minutes=0, *, state="failed", **more):
    stage = Stage("build_model", state=state, cause=cause, **more)
    return a_run(run_id, minutes, state="running" if state != "failed" else state, stages=[stage])


def put(index, *runs):
    index.put_runs([(f"signature of {run.run_id}", run) for run in runs])


def names(index, **query):
    return [row.run_id for row in index.runs(Query(**query)).items]


def an_envelope(mail_id, subject, minutes=0):
    sent = START + timedelta(minutes=minutes)
    return Envelope(mail_id, sent, "pipeline@example.com", "Team <team@example.com>", subject)


def subjects(index, words="", page=1, size=25):
    return [mail.subject for mail in index.mails(words, page, size).items]


def test_row_is_the_run_that_was_put(index):
    stage = Stage("load_data", seconds=1.5, rows={"rows": 1000}, parameters={"test_size": 0.3})
    source = Record({"path": "data/a.csv"})
    put(index, a_run("a", accuracy=0.9, ended=START + timedelta(seconds=9), dataset="d",
                     source=source, dag_id="dag", stages=[stage], published=True,
                     reason="good"))  # fmt: skip
    (row,) = index.rows(["a"])
    assert (row.started, row.ended, row.seconds) == (START, START + timedelta(seconds=9), 9)
    assert (row.dataset, row.source, row.dag_id, row.rows) == ("d", "data/a.csv", "dag", 1000)
    assert (row.parameters, row.stages) == ({"test_size": 0.3}, {"load_data": 1.5})
    assert (row.published, row.reason, row.message) == (True, "good", None)
    assert row.scores == dict.fromkeys(SCORES) | {"accuracy": 0.9}
    assert index.signature("a") == "signature of a"


def test_row_of_a_failure_names_its_first_task_and_cause(index):
    put(index, failed("a", message="broke"))
    (row,) = index.rows(["a"])
    assert (row.task, row.cause, row.message) == ("build_model", "crashed", "broke")
    assert (row.published, row.ended, row.seconds) == (None, None, None)


def test_run_that_missed_the_gate_was_refused_for_its_message(index):
    put(index, failed("a", "quality gate missed", exit_code=80, message="too low"))
    (row,) = index.runs(Query(decided=True)).items
    assert (row.published, row.reason) == (False, "too low")


def test_run_that_is_put_again_is_replaced(index):
    put(index, a_run("a", state="running"))
    put(index, a_run("a"))
    assert index.counts() == {"success": 1}


def test_run_that_is_gone_is_in_no_list(index):
    put(index, a_run("a"), a_run("b"))
    index.put_runs((), ["a"])
    assert (names(index), names(index, words="a"), index.signature("a")) == (["b"], [], None)


def test_rows_are_in_the_order_asked_for_without_the_absent(index):
    put(index, a_run("a"), a_run("b", 1))
    assert [row.run_id for row in index.rows(["a", "absent", "b"])] == ["a", "b"]
    assert index.rows([]) == []


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"])
def test_times_at_the_ends_of_the_calendar_can_be_listed(index, time):
    time = datetime.fromisoformat(time)
    index.put_runs([("s", Run("a", "success", time, ended=time))])
    assert index.runs(Query()).items[0].started.year == time.year


def test_filters_keep_what_fits_all_of_them(index):
    put(index, a_run("a", dataset="x"), a_run("b", 1, dataset="y"),
        a_run("c", 2, dataset="x", state="running"), failed("d", minutes=3))  # fmt: skip
    assert names(index, states=("success",)) == ["b", "a"]
    assert names(index, states=("success", "running")) == ["c", "b", "a"]
    assert names(index, dataset="x", states=("success",)) == ["a"]
    assert names(index, cause="crashed") == ["d"]
    assert names(index, cause="crashed", dataset="x") == []


def test_published_refused_and_undecided_are_told_apart(index):
    put(index, a_run("a", published=True), a_run("b", 1, published=False), a_run("c", 2),
        failed("d", "quality gate missed", 3, exit_code=80))  # fmt: skip
    assert names(index, published=True) == ["a"]
    assert names(index, published=False) == ["d", "b"]
    assert names(index, decided=True) == ["d", "b", "a"]


def test_all_words_are_found_in_what_a_list_tells_of_a_run(index):
    stage = Stage("build_model", state="failed", cause="crashed", message="Division by zero",
                  parameters={"max_iter": 500})  # fmt: skip
    source = Record({"path": "data/Ads.csv"})
    put(index, a_run("first", state="failed", dataset="d", source=source, stages=[stage]),
        a_run("second", 1, reason="gate met"))  # fmt: skip
    for words in ("first", "ads.csv", "build_model crash", "division ZERO", "max_iter=500"):
        assert names(index, words=words) == ["first"], words
    assert names(index, words="gate") == ["second"]
    assert names(index, words="first second") == []


@pytest.mark.parametrize("word", ["100%", "a_b", "a\\b", "É", "straße", "'", '"'])
def test_word_is_found_as_it_is_in_either_case(index, word):
    put(index, a_run("with", dataset=f"x{word}y"), a_run("without", dataset="x100aXb"))
    assert names(index, words=word) == ["with"]
    assert names(index, words=word.swapcase()) == ["with"]


@pytest.mark.parametrize("words", ["%", "_", "\\", "a%h", "ru_", "' OR 1=1 --"])
def test_pattern_or_statement_is_no_word_of_a_run(index, words):
    put(index, a_run("aah"), a_run("run", 1))
    assert names(index, words=words) == []


def test_hostile_filter_fits_nothing(index):
    put(index, a_run("a", dataset="d"))
    assert names(index, dataset="d' OR '1'='1") == []


def test_newest_run_is_first_and_of_two_at_once_always_the_same(index):
    put(index, a_run("b"), a_run("a"), a_run("c", 1))
    assert names(index) == ["c", "b", "a"]
    assert names(index, descending=False) == ["a", "b", "c"]
    assert index.newest() == "c"
    put(index, a_run("c"))  # put again, and started as the others did
    assert index.newest() == "c"
    put(index, a_run("a"))
    assert index.newest() == "c"


@pytest.mark.parametrize("descending", [True, False])
def test_runs_without_a_value_are_last_in_both_directions(index, descending):
    put(index, a_run("low", accuracy=0.1), a_run("none", 9), a_run("high", 1, accuracy=0.9))
    known = ["high", "low"] if descending else ["low", "high"]
    assert names(index, sort="accuracy", descending=descending) == [*known, "none"]


@pytest.mark.parametrize("sort", SORTS)
def test_every_order_is_the_other_one_reversed_where_all_have_a_value(index, sort):
    score = dict.fromkeys(SCORES, 0.5)
    put(index, *(
        Run(f"r{n}", state, START + timedelta(minutes=n), ended=START + timedelta(hours=9 - n),
            dataset=f"d{n % 2}", metrics=Record({k: v + n % 3 for k, v in score.items()}),
            stages=[Stage("load_data", rows={"rows": n % 2})])
        for n, state in enumerate(("success", "failed", "running", "success"))
    ))  # fmt: skip
    down = names(index, sort=sort)
    assert len(down) == 4
    assert names(index, sort=sort, descending=False) == down[::-1]


def test_only_what_is_known_may_be_sorted_by(index):
    with pytest.raises(AssertionError):
        index.runs(Query(sort="run_id; DROP TABLE runs"))


def test_pages_hold_each_run_once(index):
    put(index, *(a_run(f"r{number}", number % 3, accuracy=0.5) for number in range(12)))
    query = {"sort": "accuracy", "page_size": 5}
    pages = [index.runs(Query(page=number, **query)) for number in (1, 2, 3, 4)]
    assert [len(page.items) for page in pages] == [5, 5, 2, 0]
    assert {(page.total, page.pages) for page in pages} == {(12, 3)}
    assert len({row.run_id for page in pages for row in page.items}) == 12


@pytest.mark.parametrize(("total", "pages"), [(0, 1), (1, 1), (25, 1), (26, 2), (50, 2)])
def test_list_has_at_least_one_page(total, pages):
    assert Page([], total, 1, 25).pages == pages


def test_counts_are_by_value_the_commonest_first(index):
    put(index, failed("a"), failed("b", "out of memory"), failed("c", "out of memory"),
        a_run("d", dataset="x"))  # fmt: skip
    assert index.counts() == {"failed": 3, "success": 1}
    assert list(index.counts("cause").items()) == [("out of memory", 2), ("crashed", 1)]
    assert index.counts("dataset") == {"x": 1}


def test_counts_are_of_the_states_that_are_named(index):
    put(index, failed("a"), failed("b", state="up_for_retry"))
    assert index.counts("cause") == {"crashed": 2}
    assert index.counts("cause", "failed") == {"crashed": 1}


def test_newest_is_among_the_states_that_are_named(index):
    put(index, a_run("a"), failed("b", minutes=1), a_run("c", 2, state="running"))
    assert index.newest() == "c"
    assert index.newest("success") == "a"
    assert index.newest("success", "failed") == "b"


def test_index_of_no_runs_has_no_newest(index):
    assert (index.newest(), index.counts(), index.trend(9), names(index)) == (None, {}, [], [])


def test_trend_is_of_the_newest_measured_runs_oldest_first(index):
    put(index, *(a_run(f"r{n}", n, accuracy=n / 10) for n in range(5)), a_run("unmeasured", 9))
    assert [row.run_id for row in index.trend(3)] == ["r2", "r3", "r4"]


def test_watched_are_the_newest_runs_and_the_newest_in_progress(index):
    put(index, *(a_run(f"r{n}", n) for n in range(4)), a_run("slow", -9, state="running"))
    assert index.watched(2) == {name: f"signature of {name}" for name in ("r3", "r2", "slow")}


def test_mails_are_newest_first_and_found_by_all_their_words(index):
    index.put_mails([an_envelope("1", "run failed: A"), an_envelope("2", "100% _ done", 1)])
    assert subjects(index) == ["100% _ done", "run failed: A"]
    assert subjects(index, "FAILED team@example.com") == ["run failed: A"]
    assert subjects(index, "100% _") == ["100% _ done"]
    assert subjects(index, "10_%") == subjects(index, "failed done") == []


def test_mails_come_in_pages(index):
    index.put_mails([an_envelope(str(n), f"s{n}", n) for n in range(5)])
    assert subjects(index, page=2, size=2) == ["s2", "s1"]
    assert index.mails("", 3, 2).pages == 3


def test_mail_is_about_the_run_that_its_subject_ends_in(index):
    index.put_mails([an_envelope("1", "[ad-click] run failed: trial"),
                     an_envelope("2", "[ad-click] run failed: trial-2"),
                     an_envelope("3", "[ad-click] run failed: my-trial"),
                     an_envelope("4", "[ad-click] model published: trial", -1),
                     an_envelope("5", "[ad-click] run failed: Trial")])  # fmt: skip
    assert [mail.mail_id for mail in index.mails_about("trial")] == ["4", "1"]


def test_mail_that_is_gone_is_in_no_list(index):
    index.put_mails([an_envelope("1", "a"), an_envelope("2", "b")])
    index.put_mails((), ["1"])
    assert (subjects(index), index.indexed_mails()) == (["b"], {"2"})


def test_generation_grows_with_each_change_and_with_nothing_else(index):
    before = index.generation
    index.put_runs(())
    index.put_mails(())
    index.keep(whole=0)
    index.note(live_asked=1.0)
    names(index)
    assert index.generation == before
    put(index, a_run("a"))
    index.put_mails([an_envelope("1", "s")])
    index.keep(whole=1, live_error=None)
    assert index.generation == before + 3
    index.keep(whole=1)
    assert index.generation == before + 3


def test_mails_have_a_generation_of_their_own(index):
    before = index.meta("mails")
    put(index, a_run("a"))
    assert index.meta("mails") == before
    index.put_mails([an_envelope("1", "s")])
    assert index.meta("mails") == before + 1


def test_change_that_fails_changes_nothing(index):
    before = index.generation
    with contextlib.suppress(ZeroDivisionError), index.change() as connection:
        connection.execute("INSERT INTO runs (run_id) VALUES ('a')")
        raise ZeroDivisionError
    assert (index.generation, index.signatures()) == (before, {})


def again(index):
    """The same file, opened as another process would."""
    index.connection.close()
    del index.local.connection
    index.sound = False
    return index


def test_index_outlives_the_process(index):
    put(index, a_run("a"))
    assert names(again(index)) == ["a"]


def damage(path, how):
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    if how == "foreign":
        path.write_bytes(b"no database at all" * 500)
    elif how == "truncated":
        os.truncate(path, path.stat().st_size // 2)
    elif how == "overwritten":
        content = bytearray(path.read_bytes())
        content[len(content) // 2 : -4096] = b"\xff" * len(content[len(content) // 2 : -4096])
        path.write_bytes(content)
    elif how == "of another version":
        connection = sqlite3.connect(path)
        connection.execute(f"PRAGMA user_version = {VERSION + 1}")
        connection.close()
    elif how == "of another program":
        path.unlink()
        connection = sqlite3.connect(path)
        connection.execute("CREATE TABLE meta (x)")
        connection.close()


@pytest.mark.parametrize(
    "how", ["foreign", "truncated", "overwritten", "of another version", "of another program"]
)
def test_file_that_is_bad_is_begun_again(index, caplog, how):
    put(index, *(a_run(f"r{number}", number) for number in range(300)))
    index.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    again(index)
    damage(index.path, how)
    assert (names(index), index.generation, index.whole) == ([], 1, False)
    assert "is begun again" in caplog.text
    put(index, a_run("a"))
    assert names(index) == ["a"]


def putting(index, name):
    """A process that puts runs as soon as it has started."""
    command = [sys.executable, "-c", PUT, index.path, name]
    process = subprocess.Popen(command, stdin=subprocess.PIPE)
    process.stdin.write(b"\n")
    process.stdin.close()
    return process


def test_file_that_another_process_is_writing_to_is_waited_for_and_kept(index):
    put(index, a_run("a"))
    with index.change() as connection:
        connection.execute("UPDATE runs SET state = 'failed'")
        other = putting(index, "other")
        with pytest.raises(subprocess.TimeoutExpired):
            other.wait(2)
    assert other.wait(60) == 0
    assert index.counts() == {"success": 40, "failed": 1}


@pytest.mark.parametrize("how", ["absent", "of another version"])
def test_two_processes_that_begin_and_put_at_once_lose_nothing(index, how):
    if how != "absent":
        put(index, a_run("a"))
        again(index)
        damage(index.path, how)
    index.path.parent.mkdir(exist_ok=True)
    processes = [putting(index, name) for name in ("left", "right")]
    assert [process.wait(60) for process in processes] == [0, 0]
    assert index.counts() == {"success": 80}
    assert index.generation == 81


def test_index_made_anew_gives_the_same_answers(build, volume, index, tmp_path):
    build.success("a")
    build.failure("b")
    build.refusal("c", started=START + timedelta(minutes=1))
    build.running("d", started=START + timedelta(minutes=1))
    build.mail()
    Watch(volume, index).look(9)
    build.report("load_data", "a", metrics={"rows": 7})
    for _ in range(2):
        Watch(volume, index).look(9)
    anew = Index(tmp_path / "anew.sqlite")
    Watch(volume, anew).look(9)

    def answers(index):
        return [
            [index.runs(Query(sort=sort)) for sort in SORTS],
            index.trend(9), index.counts(), index.counts("cause"), index.newest(),
            index.watched(2), index.mails("", 1, 9), index.signatures(),
        ]  # fmt: skip

    assert answers(anew) == answers(index)
    assert index.rows(["a"])[0].rows == 7
    anew.connection.close()
