"""watch.py: the index is as the volume is, whatever is done to the volume meanwhile."""

import os
import shutil
from datetime import timedelta

import pytest

from monitor.reading.index import Index, Query
from monitor.reading.volume import NotFoundError, Volume, VolumeError
from monitor.reading.watch import BATCH, WATCHED, Sweeper, Watch


def names(index):
    return {row.run_id for row in index.runs(Query(page_size=1000)).items}


def row(index, run_id):
    return index.rows([run_id])[0]


def old_runs(build, count, since=0):
    for number in range(since, since + count):
        build.opened(f"r{number:03}", started=build.start - timedelta(hours=number + 1))


def test_new_run_is_seen_by_the_next_look(build, watch, index):
    watch.refresh()
    assert names(index) == set()
    build.running()
    watch.refresh()
    assert row(index, build.run).state == "running"


def test_rewritten_report_is_seen_by_the_next_look(build, watch, index):
    build.running()
    watch.refresh()
    build.failure()
    watch.refresh()
    assert row(index, build.run).cause == "data refused"


def test_progress_is_seen_by_the_next_look(build, watch, index):
    build.running()
    watch.refresh()
    build.progress("build_model", 0.95)
    watch.refresh()
    assert row(index, build.run).fraction == pytest.approx((4 + 0.95) / 9)


def test_old_run_that_is_in_progress_is_looked_at_too(build, watch, index):
    build.running("slow", started=build.start - timedelta(days=9))
    old_runs(build, WATCHED + 2)
    for number in range(WATCHED + 2):
        build.failure(f"r{number:03}", started=build.start - timedelta(hours=number + 1))
    watch.refresh()
    build.task("build_model", "failed", "slow", cause="crashed")
    watch.refresh()
    assert row(index, "slow").cause == "crashed"


def test_removed_run_is_gone_by_the_next_look(build, watch, index):
    build.success("a")
    build.success("b")
    watch.refresh()
    shutil.rmtree(build.root / "runs/a")
    watch.refresh()
    assert names(index) == {"b"}


def test_look_at_a_volume_that_did_not_change_changes_nothing(build, watch, index):
    build.success()
    build.running("b")
    build.mail()
    watch.refresh()
    before = index.generation
    watch.refresh()
    watch.refresh()
    assert index.generation == before


def test_edit_of_an_old_run_is_found_by_the_sweep(build, watch, index):
    old_runs(build, WATCHED + 2)
    watch.refresh()
    oldest = f"r{WATCHED + 1:03}"
    build.opened(oldest, dataset="edited")
    watch.refresh()
    assert row(index, oldest).dataset == "advertising"
    Sweeper(watch).round()
    assert row(index, oldest).dataset == "edited"


def test_sweep_comes_to_every_run(build, watch, index):
    old_runs(build, 120)
    watch.look(9)
    sweeper = Sweeper(watch)
    for number in range(120):
        build.opened(f"r{number:03}", dataset="edited")
    for _ in range(3):
        sweeper.sweep()
    assert index.counts("dataset") == {"edited": 120}
    assert sweeper.place == ""


def test_page_of_a_run_is_as_its_files_are_before_the_next_look(build, watch, index):
    build.running()
    watch.pause = 3600
    watch.refresh()
    build.failure()
    assert watch.run(build.run)[0].state == "failed"


def test_run_is_read_once_until_it_changes(build, watch):
    build.running()
    first, second = watch.run(build.run), watch.run(build.run)
    assert first[0] is second[0]
    build.progress("build_model", 0.95)
    run, signature = watch.run(build.run)
    assert (run.at_work.fraction, signature != first[1]) == (0.95, True)


@pytest.mark.parametrize("run_id", ["absent", "..", "a b"])
def test_run_that_is_none_is_not_found(build, watch, run_id):
    build.success()
    with pytest.raises(NotFoundError):
        watch.run(run_id)


class Busy(Volume):
    """A volume on which something happens just before a run is read."""

    def run(self, run_id):
        if self.happenings:
            self.happenings.pop(0)()
        return super().run(run_id)


@pytest.fixture
def busy(build, index):
    volume = Busy(build.root)
    object.__setattr__(volume, "happenings", [])
    return Watch(volume, index, pause=0)


def test_run_that_is_replaced_while_it_is_read_is_read_again(build, busy, index):
    build.running()
    busy.volume.happenings.append(lambda: build.progress("build_model", 0.95))
    busy.refresh()
    busy.refresh()
    assert index.signature(build.run) == busy.volume.signature(build.run)
    assert row(index, build.run).fraction == pytest.approx((4 + 0.95) / 9)


def test_run_that_vanishes_between_listing_and_reading_is_left_out(build, busy, index):
    build.success("a")
    build.success("b")
    busy.volume.happenings.append(lambda: shutil.rmtree(build.root / "runs", ignore_errors=True))
    busy.refresh()
    assert names(index) == set()
    build.success("c")
    busy.refresh()
    assert names(index) == {"c"}


def test_run_that_vanishes_while_its_change_is_read_is_dropped(build, busy, index):
    build.running("a")
    busy.refresh()
    build.failure("a")
    busy.volume.happenings.append(lambda: shutil.rmtree(build.root / "runs/a"))
    busy.refresh()
    busy.refresh()
    assert names(index) == set()


def fail():
    raise OSError("the disk does not answer")


def test_look_that_fails_is_made_up_for_by_the_next_one(build, busy, index):
    busy.refresh()
    build.success()
    build.mail()
    os.utime(build.root / "runs", (1000, 1000))  # as some time later: no look is due by itself
    busy.volume.happenings.append(fail)
    with pytest.raises(OSError, match="does not answer"):
        busy.refresh()
    busy.refresh()
    assert names(index) == {build.run}
    assert len(index.indexed_mails()) == 1


def test_patience_leaves_the_rest_to_the_next_looks(build, volume, index):
    old_runs(build, 2 * BATCH + 5)
    watch = Watch(volume, index, pause=0, patience=0)
    seen = []
    for _ in range(3):
        watch.refresh()
        seen.append((len(names(index)), index.whole))
    assert seen == [(BATCH, False), (2 * BATCH, False), (2 * BATCH + 5, True)]


def test_sweeper_finishes_what_patience_left(build, volume, index):
    old_runs(build, 2 * BATCH + 5)
    Watch(volume, index, patience=0).refresh()
    sweeper = Sweeper(Watch(volume, index, pause=0))
    rests = [sweeper.round()]
    while rests[-1] != 1.0:
        rests.append(sweeper.round())
    assert (len(names(index)), index.whole) == (2 * BATCH + 5, True)


def test_newest_folders_are_indexed_first(build, volume, index):
    old_runs(build, BATCH)
    build.success("newest")
    Watch(volume, index, pause=0, patience=0).refresh()
    assert "newest" in names(index)


def test_many_runs_that_come_at_once_later_are_all_indexed(build, volume, index):
    build.success("first")
    watch = Watch(volume, index, pause=0, patience=0)
    watch.refresh()
    assert index.whole
    old_runs(build, 3 * BATCH)
    watch.refresh()
    assert not index.whole
    watch.seen["runs"] = (build.root / "runs").stat().st_mtime_ns  # as some seconds later
    for _ in range(3):
        watch.refresh()
    assert (len(names(index)), index.whole) == (3 * BATCH + 1, True)


def test_index_that_another_process_made_is_taken_over(build, volume, index):
    build.success()
    Watch(volume, index, pause=0).refresh()
    before = index.generation
    shutil.rmtree(build.root / "runs")
    build.success("other")
    other = Watch(volume, Index(index.path, local=index.local), pause=0)
    other.refresh()
    assert names(index) == {"other"}
    assert index.generation == before + 2


def test_look_lasts_as_long_as_the_pause(build, volume, index):
    watch = Watch(volume, index, pause=3600)
    watch.refresh()
    build.success()
    watch.refresh()
    assert names(index) == set()
    watch.pause = 0
    watch.refresh()
    assert names(index) == {build.run}


def test_look_does_not_wait_for_another_threads(build, watch, index):
    build.success()
    with watch.looking:
        watch.refresh()
    assert names(index) == set()


def test_runs_that_are_not_there_are_none_until_they_come(build, watch, index):
    watch.refresh()
    assert (names(index), index.whole) == (set(), True)
    build.success()
    watch.refresh()
    shutil.rmtree(build.root / "runs")
    watch.refresh()
    assert names(index) == set()


@pytest.mark.parametrize("folder", ["runs", "mailbox/new"])
def test_folder_that_is_replaced_by_a_link_is_empty(build, watch, index, folder):
    build.success()
    build.mail()
    watch.refresh()
    (build.root / folder).rename(build.root / "elsewhere")
    (build.root / folder).symlink_to(build.root / "elsewhere")
    watch.refresh()
    assert names(index) == (set() if folder == "runs" else {build.run})
    assert len(index.indexed_mails()) == (1 if folder == "runs" else 0)


def test_linked_and_oddly_named_folders_are_no_runs(build, watch, index):
    build.success("real")
    (build.root / "runs/link").symlink_to("real")
    (build.root / "runs/<b>").mkdir()
    build.write("runs/file", "x")
    watch.refresh()
    assert (names(index), index.whole) == ({"real"}, True)


def test_run_that_becomes_a_link_is_gone(build, watch, index):
    build.success("a")
    watch.refresh()
    (build.root / "runs/a").rename(build.root / "b")
    (build.root / "runs/a").symlink_to("../b")
    watch.refresh()
    assert names(index) == set()


def test_mails_come_and_go_with_their_files(build, watch, index):
    build.mail("1")
    build.mail("2", subject="second")
    watch.refresh()
    assert index.indexed_mails() == {"1", "2"}
    (build.root / "mailbox/new/1").unlink()
    build.mail("3")
    watch.refresh()
    assert index.indexed_mails() == {"2", "3"}


def test_mails_that_patience_leaves_are_indexed_by_the_next_looks(build, volume, index):
    for number in range(2 * BATCH + 5):
        build.mail(f"{number}")
    watch = Watch(volume, index, pause=0, patience=0)
    watch.refresh()
    assert len(index.indexed_mails()) <= BATCH
    watch.patience = 9
    watch.refresh()
    assert len(index.indexed_mails()) == 2 * BATCH + 5


def test_hostile_mails_are_no_mails_or_indexed_as_they_are(build, watch, index):
    build.raw_mail("odd", b"\xff\0 nothing of a mail")
    build.raw_mail("<b>", b"Subject: x\n\n")
    (build.root / "mailbox/new/link").symlink_to(build.root / ".ad-click-volume")
    (build.root / "mailbox/new/folder").mkdir()
    watch.refresh()
    assert index.indexed_mails() == {"odd"}


def test_sweeper_does_its_jobs_once_all_is_indexed(build, volume, index):
    old_runs(build, 3)
    done = []
    assert Sweeper(Watch(volume, index, pause=0), (lambda: done.append(1),)).round() == 1.0
    assert done == [1]


def test_sweeper_says_that_the_volume_is_gone(build, watch):
    shutil.rmtree(build.root)
    with pytest.raises(VolumeError):
        Sweeper(watch).round()
