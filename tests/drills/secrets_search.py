"""Looks for secrets in all forms that programs give a text, in places of any size."""

from __future__ import annotations

import base64
import html
import json
import os
import re
import subprocess
import tempfile
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from urllib.parse import quote, quote_plus

SECRETS = (
    "AIRFLOW_ADMIN_PASSWORD",
    "AIRFLOW_FERNET_KEY",
    "AIRFLOW_JWT_SECRET",
    "AIRFLOW_SECRET_KEY",
    "AIRFLOW_VIEWER_PASSWORD",
    "MONITOR_PASSWORD",
    "POSTGRES_PASSWORD",
    "SMTP_PASSWORD",
)


def read_secrets(settings: Path) -> dict[str, str]:
    """Return the secrets of a settings file that are not empty, without their quotes."""
    found = {}
    for line in settings.read_text().splitlines():
        name, _, value = line.partition("=")
        if name in SECRETS and value.strip("'"):
            found[name] = value[1:-1] if value.startswith("'") else value
    return found


def forms(secret: str) -> Iterator[tuple[str, str]]:
    """Yield a secret as it is and as programs write it, each with the form's name."""
    yield "as it is", secret.rstrip("=")  # without the padding of base64
    # What no way of escaping changes: a long piece of letters and digits.
    for piece in re.findall(r"[A-Za-z0-9]{16,}", secret):
        yield "a piece of it", piece
    yield "URL-quoted", quote(secret, safe="")
    yield "form-quoted", quote_plus(secret)
    yield "JSON", json.dumps(secret)[1:-1]
    yield "HTML", html.escape(secret)
    yield "repr", repr(secret)[1:-1]
    yield "hex", secret.encode().hex()
    # In base64 a text looks different at each of three places after other bytes, as "user:".
    for before in range(3):
        given = b"\0" * before + secret.encode()
        encoded = base64.b64encode(given).rstrip(b"=").decode()
        first = -(-before * 8 // 6)
        last = len(given) * 8 // 6
        yield "base64", encoded[first:last]
        yield "base64", encoded[first:last].replace("+", "-").replace("/", "_")


class Search:
    """Looks for secrets by name; what is found is told by name and form, never by its value."""

    def __init__(self, secrets: dict[str, str], folder: Path) -> None:
        self.names: dict[bytes, str] = {}
        for name, secret in secrets.items():
            assert len(secret) >= 12, f"{name} is too short to be looked for"
            for form, text in forms(secret):
                assert len(text) >= 12, f"{name}, {form}, is too short to be looked for"
                self.names.setdefault(text.encode(), f"{name} ({form})")
        # In a file, as a command line would show them.
        self.patterns = folder / "patterns"
        self.patterns.touch(0o600)
        self.patterns.write_bytes(b"\n".join(self.names))

    def text(self, place: str, content: str | bytes) -> list[str]:
        """Return what is found in a text."""
        given = content.encode() if isinstance(content, str) else content
        grep = subprocess.run(self.grep, input=given, capture_output=True, check=False, env=LOCALE)
        return self.told(place, grep)

    def output(self, place: str, *command: str, least: int = 1) -> list[str]:
        """Return what is found in what a command prints, at ``least`` so many bytes."""
        size = 0
        # Into a file: a pipe that nobody empties meanwhile would stop grep, and with it this.
        with tempfile.TemporaryFile() as told:
            source = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            grep = subprocess.Popen(self.grep, stdin=subprocess.PIPE, stdout=told, env=LOCALE)
            assert source.stdout is not None
            assert grep.stdin is not None
            with source.stdout, grep.stdin:
                while chunk := source.stdout.read(1 << 20):
                    size += len(chunk)
                    grep.stdin.write(chunk)
            assert source.wait() == 0, f"{place}: {command[:4]} failed"
            code = grep.wait()
            told.seek(0)
            done = subprocess.CompletedProcess(self.grep, code, told.read())
        assert size >= least, f"{place}: only {size} bytes were there to look at"
        return self.told(place, done)

    @property
    def grep(self) -> list[str]:
        """The command that finds all forms in one pass, also in binary files."""
        return ["grep", "-aobF", "-f", str(self.patterns)]

    def told(self, place: str, grep: subprocess.CompletedProcess[bytes]) -> list[str]:
        """Return what grep found as sentences without a secret."""
        assert grep.returncode in (0, 1), "grep failed"
        found = []
        for line in grep.stdout.splitlines():
            at, _, text = line.partition(b":")
            found.append(f"{self.names[text]} in {place}, byte {int(at)}")
        return found[:20]


LOCALE = {**os.environ, "LC_ALL": "C"}


class ProcessLists:
    """Notes every command line that this host shows, ten times a second, while it is entered."""

    def __init__(self) -> None:
        self.seen: set[bytes] = set()
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.watch)

    def watch(self) -> None:
        while not self.over.wait(0.1):
            self.look()

    def look(self) -> None:
        for process in os.scandir("/proc"):
            if process.name.isdigit():
                try:
                    self.seen.add(Path(process.path, "cmdline").read_bytes())
                except OSError:
                    continue  # it has ended meanwhile

    def __enter__(self) -> ProcessLists:
        self.thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.over.set()
        self.thread.join()

    @property
    def lines(self) -> bytes:
        """The command lines, each once, their arguments apart by spaces."""
        return b"\n".join(sorted(self.seen)).replace(b"\0", b" ")


def flat(found: Iterable[list[str]]) -> list[str]:
    """Return what several searches found as one list."""
    return [one for some in found for one in some]
