"""A machine inside this one, with a Docker engine of its own that a drill may stop and kill.

Restarting this machine's engine would end containers of other people. The machine in here is a set
of namespaces: network, mounts, processes. The engine in it meets neither the other engine nor its
containers, firewall or sockets, and when its first process is killed the kernel ends all that runs
in it and takes every mount away: that is how its power is cut, and how it is cleaned up.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

NEEDED = ("dockerd", "unshare", "nsenter", "setpriv", "ip")
CLONE_NEWNET = 0x40000000
ENGINE_SECONDS = 120
NAMESPACES = ("--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
# The first process: an empty /run, as after every boot, and a shell, which reaps what it inherits.
INIT = "mount -t tmpfs tmpfs /run && ip link set lo up && echo up && while sleep 3600; do :; done"


def why_not() -> str:
    """Return in a few words why there can be no such machine here; nothing where there can be."""
    if os.geteuid() != 0:
        return "only root can run a second Docker engine"
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if missing:
        return f"a second Docker engine needs {', '.join(missing)}"
    command = ["unshare", *NAMESPACES, "sh", "-c", "mount -t tmpfs tmpfs /run"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return f"no namespaces can be made here: {done.stderr.strip()}" if done.returncode else ""


class Machine:
    """Namespaces with a Docker engine; ``disk`` outlives what happens to them, as a disk does.

    ``folder`` has to have a short path: the engine's socket is in it, and a socket's path ends
    after 107 bytes.

    With a ``cable``, two addresses with the length of their prefix, the first one out here, this
    thread stays outside when the machine boots. ``mounts`` are folders of this machine that have
    another path in there.
    """

    def __init__(
        self,
        folder: Path,
        disk: Path,
        *,
        cable: tuple[str, str] | None = None,
        mounts: Mapping[str, Path] | None = None,
    ) -> None:
        self.disk = disk
        self.cable = cable
        self.mounts = mounts or {}
        self.socket = folder / "docker.sock"
        self.log = folder / "dockerd.log"
        self.settings = folder / "daemon.json"
        self.settings.write_text("{}")
        # The engine's containers are below it: what a power cut leaves there is found by its name.
        self.control_group = f"ad-click-machine-{os.getpid()}"
        self.home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        self.power: subprocess.Popen[bytes] | None = None
        self.engine: subprocess.Popen[bytes] | None = None

    def boot(self) -> None:
        """Make the namespaces and start the engine; this thread's new sockets are in there."""
        # With --pdeathsig a test that is killed takes the machine along.
        command = ["setpriv", "--pdeathsig=KILL", "unshare", *NAMESPACES, "bash", "-c", INIT]
        with self.log.open("ab") as log:
            self.power = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=log, start_new_session=True
            )
        assert self.power.stdout is not None
        assert self.power.stdout.readline() == b"up\n", "the machine does not boot"
        for path, folder in self.mounts.items():
            subprocess.run(self.inside("mkdir", "-p", path), check=True)
            subprocess.run(self.inside("mount", "--bind", str(folder), path), check=True)
        if self.cable is not None:
            self.connect(*self.cable)
        else:
            with open(f"/proc/{self.power.pid}/ns/net", "rb") as network:
                enter_network(network.fileno())
        self.start_engine()

    def connect(self, outside: str, inside: str) -> None:
        """Lay the cable, which goes when the power does."""
        assert self.power is not None, "the machine is off"
        name, end = f"adclick{os.getpid()}", str(self.power.pid)
        # After a power cut the kernel takes the former one away some time later.
        subprocess.run(["ip", "link", "delete", name], check=False, capture_output=True)
        for command in (
            ["ip", "link", "add", name, "type", "veth", "peer", "cable", "netns", end],
            ["ip", "address", "add", outside, "dev", name],
            ["ip", "link", "set", name, "up"],
            self.inside("ip", "address", "add", inside, "dev", "cable"),
            self.inside("ip", "link", "set", "cable", "up"),
        ):
            subprocess.run(command, check=True, capture_output=True)

    def inside(self, *command: str) -> list[str]:
        """Return a command as one that is run in the machine."""
        assert self.power is not None, "the machine is off"
        names = {"net": "net", "mount": "mnt", "pid": "pid_for_children"}
        options = [f"--{name}=/proc/{self.power.pid}/ns/{file}" for name, file in names.items()]
        return ["nsenter", *options, "--", *command]

    def start_engine(self) -> None:
        """Start the engine, and wait until it answers."""
        command = ["dockerd", f"--data-root={self.disk}", f"--host=unix://{self.socket}"]
        command += [f"--config-file={self.settings}", f"--cgroup-parent=/{self.control_group}"]
        # In here is no systemd, which could make control groups for it.
        command += ["--exec-opt=native.cgroupdriver=cgroupfs"]
        with self.log.open("ab") as log:
            self.engine = subprocess.Popen(
                self.inside(*command), stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + ENGINE_SECONDS
        while not self.ask("{{.ServerVersion}}"):
            assert self.engine.poll() is None, self.log.read_text()[-3000:]
            assert time.monotonic() < deadline, f"no answer: {self.log.read_text()[-3000:]}"
            time.sleep(0.2)

    def ask(self, what: str) -> str:
        """Return what the engine says of itself; nothing where it does not answer."""
        command = ["docker", f"--host=unix://{self.socket}", "info", "--format", what]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.stdout.strip() if done.returncode == 0 else ""

    def send(self, signal_name: str) -> None:
        """Send the engine a signal."""
        command = f"kill -{signal_name} $(cat /run/docker.pid)"
        subprocess.run(self.inside("bash", "-c", command), check=True)

    def end(self, signal_name: str) -> None:
        """Send the engine a signal, and wait for its end."""
        assert self.engine is not None, "the engine was never started"
        self.send(signal_name)
        self.engine.wait()

    def stop(self) -> None:
        """Stop the engine by SIGTERM, as a shutdown does: it first stops its containers."""
        self.end("TERM")

    def kill(self) -> None:
        """Kill the engine by SIGKILL; its containers run on, with nobody to care for them."""
        self.end("KILL")

    @contextlib.contextmanager
    def keeping_containers(self) -> Iterator[None]:
        """Let containers outlive the engine for a while (live-restore)."""
        self.reload({"live-restore": True})
        yield
        self.reload({"live-restore": False})

    def reload(self, settings: dict[str, bool]) -> None:
        """Give the engine, while it works, other settings."""
        self.settings.write_text(json.dumps(settings))
        self.send("HUP")
        deadline = time.monotonic() + ENGINE_SECONDS
        while self.ask("{{.LiveRestoreEnabled}}") != str(settings["live-restore"]).lower():
            assert time.monotonic() < deadline, self.log.read_text()[-3000:]
            time.sleep(0.1)

    def cut_power(self) -> None:
        """Kill all that runs in the machine at one moment; what is on its disk stays."""
        enter_network(self.home)
        for first in self.children_of_unshare():
            os.kill(first, signal.SIGKILL)
        for process in (self.power, self.engine):
            if process is not None:
                process.wait()
        if self.power is not None and self.power.stdout is not None:
            self.power.stdout.close()
        # Real control groups end with the power.
        for pattern in (self.control_group, f"*/{self.control_group}"):
            for group in Path("/sys/fs/cgroup").glob(pattern):
                for folder, _, _ in os.walk(group, topdown=False):
                    os.rmdir(folder)

    def children_of_unshare(self) -> list[int]:
        """Return the machine's first process, as this machine numbers it; empty if it is off."""
        if self.power is None or self.power.poll() is not None:
            return []
        pid = self.power.pid
        return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))

    def scrap(self) -> None:
        """Leave nothing of the machine."""
        self.cut_power()
        os.close(self.home)
        shutil.rmtree(self.disk)


def enter_network(namespace: int) -> None:
    """Let the sockets that this thread makes from now on be in another network.

    Raises:
        OSError: the kernel refuses.
    """
    if ctypes.CDLL(None, use_errno=True).setns(namespace, CLONE_NEWNET) == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
