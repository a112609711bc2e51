"""Runs inside a stage's container, by `python3 -c`: tries what a stage that was taken over would.

The last line is JSON: what was seen, and for each try the error that stopped it or null.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import resource
import signal
import socket
import stat
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

CLONE_NEWUSER = 0x10000000
HERE = ("/proc", "/sys")


def attempt(act: Callable[[], Any]) -> str | None:
    """Return the name of the error that stopped an act, None where nothing did."""
    try:
        act()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, type(error).__name__)
    return None


def call(name: str, *arguments: Any) -> None:
    """Call a function of the C library; OSError if it refuses."""
    if ctypes.CDLL(None, use_errno=True)[name](*arguments) == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def status() -> dict[str, str]:
    """Return what the kernel says of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return {name: value.strip() for name, value in (line.split(":", 1) for line in lines)}


def can_write(folder: str) -> bool:
    """Tell whether a file can be made in a folder."""
    path = Path(folder, ".wall")
    try:
        path.touch()
        path.unlink()
    except OSError:
        return False
    return True


def writable() -> list[str]:
    """Return the folders of the whole container in which a file can be made."""
    found = []
    for folder, below, _ in os.walk("/"):
        below[:] = [name for name in below if os.path.join(folder, name) not in HERE]
        if can_write(folder):
            found.append(folder)
    return sorted(found)


def execute(folder: str) -> None:
    """Run a program from a folder."""
    path = Path(folder, "program")
    path.write_text("#!/bin/sh\nexit 0\n")
    try:
        path.chmod(0o755)
        child = os.posix_spawn(path, [str(path)], {})
        os.waitpid(child, 0)
    finally:
        path.unlink()


def connect(address: tuple[str, int]) -> None:
    """Open a connection."""
    socket.create_connection(address, timeout=3).close()


def open_socket(family: int, kind: int, protocol: int = 0) -> None:
    """Open a socket."""
    socket.socket(family, kind, protocol).close()


def look() -> dict[str, Any]:
    """Return what a process of the stage is, sees and may do."""
    device = stat.S_IFBLK | 0o600
    tries: dict[str, Callable[[], Any]] = {
        "become root": lambda: os.setuid(0),
        "own a file of root": lambda: os.chown("/etc/passwd", os.getuid(), -1),
        "write to the root": lambda: Path("/etc/hosts.wall").touch(),
        "write over the code": lambda: Path(sys.executable).open("ab").close(),
        "change a setting of the kernel": lambda: Path("/proc/sys/kernel/hostname").write_text(
            "other"
        ),
        "read the kernel's memory": lambda: os.open("/proc/kcore", os.O_RDONLY),
        "make a device": lambda: os.mknod("/tmp/device", device, os.makedev(8, 0)),
        "mount": lambda: call("mount", b"none", b"/tmp", b"tmpfs", 0, None),
        "enter a user namespace of its own": lambda: call("unshare", CLONE_NEWUSER),
        "use the kernel's keyring": lambda: call("syscall", 250, 0, -3, 0, 0, 0),
        "load a program into the kernel": lambda: call("syscall", 321, 0, None, 0),
        "open a raw socket": lambda: open_socket(
            socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP
        ),
        "open a packet socket": lambda: open_socket(socket.AF_PACKET, socket.SOCK_RAW),
        "reach a host outside": lambda: connect(("192.0.2.1", 80)),
        "ask a name server": lambda: socket.getaddrinfo("example.com", 80),
        "speak to the engine": lambda: connect_unix("/var/run/docker.sock"),
        "execute in /tmp": lambda: execute("/tmp"),
        "execute in /dev/shm": lambda: execute("/dev/shm"),
    }
    size = os.statvfs("/tmp")
    return {
        "status": status(),
        "writable": writable(),
        "interfaces": sorted(name for _, name in socket.if_nameindex()),
        "processes": sorted(int(name) for name in os.listdir("/proc") if name.isdigit()),
        "environment": sorted(os.environ),
        "tmp_bytes": size.f_blocks * size.f_frsize,
        "tries": {name: attempt(act) for name, act in tries.items()},
    }


def connect_unix(path: str) -> None:
    """Open a connection to a socket of this host."""
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)


def bomb() -> dict[str, Any]:
    """Fork until nothing more can be, each child too; return how many processes there then were."""
    os.setpgid(0, 0)
    parent = os.getpid()
    while True:
        try:
            child = os.fork()
        except OSError as error:
            if os.getpid() != parent:
                signal.pause()
            processes = sum(name.isdigit() for name in os.listdir("/proc"))
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            os.killpg(0, signal.SIGTERM)
            return {"processes": processes, "error": errno.errorcode[error.errno or 0]}
        if child == 0 and os.fork() == 0:
            signal.pause()


def cgroup(*names: str) -> str:
    """Return the content of the first of these files of the container's control group."""
    for name in names:
        path = Path("/sys/fs/cgroup", name)
        if path.exists():
            return path.read_text().strip()
    return ""


def burn() -> dict[str, Any]:
    """Keep two processes more busy than the container has CPUs, for two seconds."""
    children = []
    started = time.monotonic()
    for _ in range(int(sys.argv[2]) + 2):
        child = os.fork()
        while child == 0:
            pass
        children.append(child)
    time.sleep(2)
    for child in children:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    elapsed = time.monotonic() - started
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    lines = cgroup("cpu.stat", "cpu/cpu.stat", "cpu,cpuacct/cpu.stat").splitlines()
    quota = cgroup("cpu.max") or " ".join(
        cgroup(f"cpu/{name}", f"cpu,cpuacct/{name}")
        for name in ("cpu.cfs_quota_us", "cpu.cfs_period_us")
    )
    return {
        "quota": quota,
        "periods": int(dict(line.split() for line in lines)["nr_periods"]),
        "cpus": (used.ru_utime + used.ru_stime) / elapsed,
    }


def hog() -> dict[str, Any]:
    """Take memory, and say how much, until there is none left."""
    held = []
    while True:
        held.append(b"x" * 2**23)
        print(len(held) * 2**23, flush=True)


def fill() -> dict[str, Any]:
    """Write to /tmp until it is full; return how much it took."""
    written = 0
    try:
        with Path("/tmp/fill").open("wb", buffering=0) as file:
            while True:
                written += file.write(b"x" * 2**20)
    except OSError as error:
        return {"written": written, "error": errno.errorcode[error.errno or 0]}


def chatter() -> dict[str, Any]:
    """Print more than a log may hold."""
    line = "x" * 1023
    for _ in range(40 * 1024):
        print(line)
    return {}


if __name__ == "__main__":
    found = globals()[sys.argv[1]]()
    print(json.dumps(found), flush=True)
