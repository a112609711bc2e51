"""One process at a time works in a folder: in processes of one host, and over two mounts."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import lease
from lease import Lease, LeaseLostError, alone_in, parse, read

IMAGES = Path(lease.__file__).parent
# Takes a folder's lease, says so, and at each line that it reads says whether it still holds it.
HOLDER = """
import logging, sys
from pathlib import Path
from lease import Lease, LeaseLostError
logging.basicConfig(stream=sys.stdout, format="%(message)s")
lease = Lease(Path(sys.argv[1]))
lease.take()
print("taken", flush=True)
for line in sys.stdin:
    try:
        lease.confirm()
        print("held", flush=True)
    except LeaseLostError as lost:
        print(lost, flush=True)
lease.release()
print("released", flush=True)
"""
# Takes the lease again and again, and would meet whoever has it too by a lock on a file of one
# file system.
WORKER = """
import fcntl, os, sys
from pathlib import Path
from lease import Lease, LeaseLostError
folder, work = Path(sys.argv[1]), Path(sys.argv[2])
for number in range(int(sys.argv[3])):
    lease = Lease(folder)
    lease.take()
    with work.open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        count = int(file.read() or 0)
        lease.confirm()
        file.seek(0)
        file.write(str(count + 1))
    lease.release()
"""


class Process:
    """A process that holds a lease, or waits for it."""

    def __init__(self, folder: Path, program: str = HOLDER, *words: object, stale: float = 3600):
        self.process = subprocess.Popen(
            [sys.executable, "-c", program, str(folder), *map(str, words)],
            env={**os.environ, "PYTHONPATH": str(IMAGES), "LEASE_STALE_SECONDS": str(stale)},
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def says(self) -> str:
        return self.process.stdout.readline().rstrip()

    def ask(self) -> str:
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self.says()

    def release(self) -> str:
        self.process.stdin.close()
        return self.says()

    def send(self, number: int) -> None:
        self.process.send_signal(number)
        if number == signal.SIGSTOP:
            os.waitid(os.P_PID, self.process.pid, os.WSTOPPED)
        if number == signal.SIGKILL:
            self.process.wait()

    def end(self) -> None:
        self.process.kill()
        with self.process:  # its pipes are closed, and it is waited for
            pass


@pytest.fixture
def start() -> Iterator[Callable[..., Process]]:
    """Start processes, which end with the test."""
    started = []

    def begin(*words: object, **named: object) -> Process:
        started.append(Process(*words, **named))
        return started[-1]

    yield begin
    for process in started:
        process.end()


def holder(folder: Path) -> str:
    return parse(read(folder / lease.NAME)).get("holder", "")


def other_machine(monkeypatch) -> None:
    """Have the leases of this process be of another machine than those of processes it starts."""
    monkeypatch.setattr(lease, "machine", lambda folder: "another")


# On one host


def test_lease_that_nobody_has_is_taken_and_leaves_nothing(tmp_path):
    with alone_in(tmp_path) as held:
        assert read(tmp_path / lease.NAME) == held.record()
        assert len(held.record()) == lease.SIZE
        held.confirm()
    assert list(tmp_path.iterdir()) == []


def test_second_process_waits_and_says_for_whom(tmp_path, start):
    first = start(tmp_path)
    assert first.says() == "taken"
    second = start(tmp_path)
    told = second.says()
    assert told.startswith(f"waiting for {holder(tmp_path)}, which works in {tmp_path}: ")
    assert holder(tmp_path).startswith(f"process {first.process.pid} of host ")
    assert (first.ask(), first.release(), second.says()) == ("held", "released", "taken")


def test_holder_that_was_killed_is_followed_at_once_on_its_host(tmp_path, start):
    first = start(tmp_path)
    assert first.says() == "taken"
    first.send(signal.SIGKILL)
    assert (tmp_path / lease.NAME).exists()
    assert start(tmp_path).says() == "taken"  # or it would wait for an hour


def test_frozen_holder_is_waited_for_on_its_host(tmp_path, start):
    first = start(tmp_path, stale=0.3)
    assert first.says() == "taken"
    first.send(signal.SIGSTOP)
    second = start(tmp_path, stale=0.3)
    assert second.says().startswith("waiting for ")
    first.send(signal.SIGCONT)
    assert (first.ask(), first.release(), second.says()) == ("held", "released", "taken")


def test_what_a_kill_left_beside_the_lease_is_removed(tmp_path):
    (tmp_path / f"{lease.NAME}.0123456789abcdef").write_text("{")
    with alone_in(tmp_path):
        assert [path.name for path in tmp_path.iterdir()] == [lease.NAME]


def test_folder_that_is_not_there_is_an_error_and_not_waited_for(tmp_path):
    with pytest.raises(FileNotFoundError), alone_in(tmp_path / "none"):
        pass


@pytest.mark.parametrize("number", sorted(lease.NO_LINKS))
def test_lease_is_made_in_place_where_the_volume_has_no_links(tmp_path, monkeypatch, start, number):
    def link(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(lease.os, "link", link)
    with alone_in(tmp_path) as held:
        held.confirm()
        assert not Lease(tmp_path).try_to_take()
        second = start(tmp_path)
        assert second.says().startswith("waiting for ")
    assert second.says() == "taken"
    assert [path.name for path in tmp_path.iterdir()] == [lease.NAME]


def test_link_whose_answer_was_lost_counts(tmp_path, monkeypatch):
    link = os.link

    def deaf(source, target):
        link(source, target)
        raise FileExistsError(errno.EEXIST, "it was sent twice")

    monkeypatch.setattr(lease.os, "link", deaf)
    with alone_in(tmp_path) as held:
        held.confirm()


def test_full_disk_is_an_error_and_leaves_nothing(tmp_path, monkeypatch):
    def link(*_):
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(lease.os, "link", link)
    with pytest.raises(OSError, match="full"), alone_in(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


# Between machines


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_holder_without_a_sign_of_life_is_followed_on_another_machine(
    tmp_path, start, monkeypatch, number
):
    first = start(tmp_path, stale=1)
    assert first.says() == "taken"
    first.send(number)
    other_machine(monkeypatch)
    monkeypatch.setattr(lease, "STALE_SECONDS", 0.5)
    with alone_in(tmp_path) as held:
        assert held.is_own(read(tmp_path / lease.NAME))


def test_frozen_holder_that_wakes_up_finds_out_and_leaves_the_next_one_alone(
    tmp_path, start, monkeypatch
):
    first = start(tmp_path, stale=1)
    assert first.says() == "taken"
    first.send(signal.SIGSTOP)
    other_machine(monkeypatch)
    monkeypatch.setattr(lease, "STALE_SECONDS", 0.5)
    with alone_in(tmp_path) as held:
        first.send(signal.SIGCONT)
        assert first.ask() == (
            f"process {os.getpid()} of host {os.uname().nodename} took over {tmp_path}, as nothing "
            "was heard of this one for a while; this process ends and leaves the folder alone"
        )
        assert first.release() == "released"
        held.confirm()


def test_sign_of_life_in_the_last_moment_keeps_the_lease(tmp_path):
    with alone_in(tmp_path) as held:
        waiting, seen = Lease(tmp_path), read(tmp_path / lease.NAME)
        held.renew()
        assert not waiting.remove(lambda found: found == seen)
        answers = iter([True, False])  # it was what was meant, until it was out of the way
        assert not waiting.remove(lambda _: next(answers))
        held.confirm()


def test_loss_is_told_once_by_the_beat(tmp_path, monkeypatch):
    monkeypatch.setattr(lease, "BEAT_SECONDS", 0.01)
    told = []
    held = Lease(tmp_path, told.append)
    held.take()
    (tmp_path / lease.NAME).write_bytes(Lease(tmp_path).record())
    while not told:
        pass
    held.release()
    assert [type(lost) for lost in told] == [LeaseLostError]
    assert (tmp_path / lease.NAME).exists()


def test_mount_that_fails_for_a_moment_loses_nothing_and_for_long_the_lease(tmp_path, monkeypatch):
    def renew(_):
        raise OSError(errno.EIO, "Input/output error")

    with alone_in(tmp_path) as held:
        monkeypatch.setattr(Lease, "renew", renew)
        held.confirm()
        held.renewed -= 20
        with pytest.raises(LeaseLostError, match=r"not be renewed for 20 s \(Input/output error\)"):
            held.confirm()
        held.confirm(within=25)


def test_record_that_cannot_be_read_counts_as_unchanged_and_no_more(tmp_path):
    for content in (b"", b"{", b"[1]", b"\xff"):
        assert parse(content) == {}
        waiting = Lease(tmp_path)
        (tmp_path / lease.NAME).write_bytes(content)
        assert not waiting.is_dead(content, lease.STALE_SECONDS / 2)
        assert waiting.is_dead(content, lease.STALE_SECONDS + 1)


def test_two_mounts_of_one_folder_share_no_file_lock_and_are_two_machines(two_mounts):
    one, other = ((mount / "data" / "advertising.csv").open("r+") for mount in two_mounts)
    with one, other:
        assert (lease.lock(one.fileno()), lease.lock(other.fileno())) == (True, True)
    assert len({lease.machine(mount) for mount in two_mounts}) == 2


def test_lease_is_waited_for_and_then_taken_over_two_mounts(two_mounts, start):
    first = start(two_mounts[0])
    assert first.says() == "taken"
    second = start(two_mounts[1])
    assert second.says().startswith("waiting for ")
    assert (first.ask(), first.release(), second.says()) == ("held", "released", "taken")
    assert second.ask() == "held"


def test_frozen_holder_is_followed_and_finds_out_over_two_mounts(two_mounts, start):
    first, second = start(two_mounts[0], stale=1), None
    assert first.says() == "taken"
    first.send(signal.SIGSTOP)
    second = start(two_mounts[1], stale=1)
    while (told := second.says()).startswith("waiting for "):
        pass
    assert told == "taken"
    first.send(signal.SIGCONT)
    assert "took over" in first.ask()
    assert (first.release(), second.ask()) == ("released", "held")


def test_many_processes_over_two_mounts_never_hold_it_at_once(two_mounts, start, tmp_path):
    """They are of two hosts, and each round of one of them is counted."""
    work = tmp_path / "work"
    work.touch()
    workers = [start(two_mounts[n % 2], WORKER, work, 25, stale=3600) for n in range(6)]
    assert [worker.process.wait() for worker in workers] == [0] * 6
    assert work.read_text() == "150"
    assert not list((tmp_path / "shared_volume").glob(f"{lease.NAME}*"))


def test_processes_that_are_killed_are_followed_by_one_at_a_time_over_two_mounts(
    two_mounts, start, tmp_path
):
    """The others go on, at once on the host of the one that was killed, later on the other one."""
    work = tmp_path / "work"
    work.touch()
    lasting = [start(two_mounts[n % 2], WORKER, work, 25, stale=2) for n in range(4)]
    for number in range(6):
        victim = start(two_mounts[number % 2], stale=2)
        while (told := victim.says()).startswith("waiting for "):
            pass
        assert told == "taken"
        victim.send(signal.SIGKILL)
    assert [worker.process.wait() for worker in lasting] == [0] * 4
    assert work.read_text() == "100"
