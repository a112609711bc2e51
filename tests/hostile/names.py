"""Cases about names and places: of the file, of the data set, of what is no file."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.hostile.cases import PLAIN, Case, either, same

TEXT = PLAIN.text().encode()
# Who opens these waits for somebody at the other end, or reads for ever.
MAY_HANG = (
    *("place_named_pipe", "place_socket", "place_device", "place_link_to_device"),
    *("source_device", "source_random", "source_stdin"),
)


def cases() -> list[Case]:
    """Return the cases of this theme."""
    return [*names(), *sources(), *places(), *datasets()]


def names() -> Iterator[Case]:
    """File names that are unusual and nothing else: the file in them is the plain one."""
    for name, file in (
        ("newline", "a\nb.csv"), ("carriage_return", "a\rb.csv"), ("tab", "a\tb.csv"),
        ("substitution", "$(touch pwned).csv"), ("backticks", "`id`.csv"), ("quote", 'a"b.csv'),
        ("single_quote", "a'b.csv"), ("spaces", " a  b .csv"), ("dash", "-rf.csv"),
        ("option", "--source=x.csv"), ("unicode", "\u6771\u4eac \U0001f600.csv"),
        ("decomposed", "e\u0301.csv"), ("right_to_left", "\u202egnp.csv"),
        ("zero_width", "a\u200bb.csv"), ("ansi", "\x1b[31mred.csv"), ("bell", "a\x07.csv"),
        ("template", "{{ 7*7 }}.csv"), ("format", "{0} %s %n.csv"), ("markup", "<script>x.csv"),
        ("long", "x" * 200 + ".csv"), ("backslash", "a\\b.csv"), ("semicolon", "a;b&c|d.csv"),
        ("star", "*.csv"), ("question", "?.csv"), ("hash", "#x.csv"), ("percent", "%2e%2e%2f.csv"),
        ("dots", "...csv"), ("hidden", ".hidden.csv"), ("tilde", "~.csv"), ("colon", "a:b.csv"),
        ("windows_device", "CON.csv"), ("formula", "=1+1.csv"), ("url", "http:x.csv"),
        ("surrogate", os.fsdecode(b"a\xffb.csv")),
    ):  # fmt: skip
        if name == "surrogate":
            yield Case(f"file_{name}", "a file name that is no UTF-8", "refused", TEXT, file=file,
                       code=2)  # fmt: skip
            continue
        yield same(f"file_{name}", f"the file is named {file!r}", TEXT, file=file)
        bad = PLAIN.cell(5, "Age", "old").text().encode()
        if name in ("newline", "substitution", "ansi", "right_to_left", "template", "markup"):
            yield Case(f"file_{name}_refused", f"a bad cell in a file named {file!r}", "refused",
                       bad, file=file, line=5, column="Age")  # fmt: skip


def pointed(source: str, name: str, what: str, code: int, *says: str, **more: object) -> Case:
    """Return a case about a source that is given on the command line."""
    place: Callable[[Path], None] = more.pop("place", lambda volume: None)  # type: ignore[assignment]
    return Case(name, what, "refused", place=place, arguments=("--source", source), code=code,
                says=says, heavy=name in MAY_HANG)  # fmt: skip


def sources() -> Iterator[Case]:
    """Sources that lead elsewhere."""
    for name, source in (
        ("parent", "../x.csv"), ("parent_far", "data/../../../../etc/passwd"),
        ("absolute", "/etc/passwd"), ("proc", "/proc/self/environ"), ("device", "/dev/zero"),
        ("random", "/dev/urandom"), ("stdin", "/dev/stdin"),
    ):  # fmt: skip
        yield pointed(source, f"source_{name}", f"the source is {source}", 2, "leaves")
    for name, source in (
        ("missing", "data/missing.csv"), ("too_long", "data/" + "x" * 300 + ".csv"),
        ("very_long", "data/" + "x/" * 5000), ("missing_folder", "nowhere/x.csv"),
        ("file_as_folder", "data/advertising.csv/x"), ("url", "http://example.com/x.csv"),
        ("file_url", "file:///etc/passwd"), ("tilde", "~/x.csv"), ("variable", "$HOME/x.csv"),
        ("star", "data/*.csv"), ("newline", "data/a\nb"), ("ansi", "data/\x1b[2J"),
        ("bidi", "data/\u202egnp.csv"), ("pipe", "|cat /etc/passwd"), ("dash", "-"),
    ):  # fmt: skip
        if name == "dash":
            continue
        yield pointed(source, f"source_{name}", f"the source is {source[:60]!r}", 66)
    yield pointed("data", "source_folder", "the source is a folder", 66, "no file")
    yield pointed(".", "source_volume", "the source is the volume", 66, "no file")
    yield pointed("data/", "source_folder_slash", "the source is a folder with a slash", 66)
    yield pointed(os.fsdecode(b"data/\xff.csv"), "source_no_utf8", "a source that is no UTF-8", 2)


def places() -> Iterator[Case]:
    """Things that are no files, or not where they seem to be."""

    def link(target: str) -> Callable[[Path], None]:
        return lambda volume: (volume / "data" / "hostile.csv").symlink_to(target)

    def pipe(volume: Path) -> None:
        os.mkfifo(volume / "data" / "hostile.csv")

    def listening(volume: Path) -> None:
        here = os.open(volume / "data", os.O_RDONLY)
        try:  # a path of a socket must be short
            with socket.socket(socket.AF_UNIX) as server:
                server.bind(f"/proc/self/fd/{here}/hostile.csv")
        finally:
            os.close(here)

    def device(volume: Path) -> None:
        os.mknod(volume / "data" / "hostile.csv", 0o20666, os.makedev(1, 5))

    def folder(volume: Path) -> None:
        (volume / "data" / "hostile.csv").mkdir()

    def inside(volume: Path) -> None:
        (volume / "data" / "real.csv").write_bytes(TEXT)
        (volume / "data" / "hostile.csv").symlink_to("real.csv")

    def holes(volume: Path) -> None:
        with (volume / "data" / "hostile.csv").open("wb") as file:
            file.truncate(2**40)

    source = "data/hostile.csv"
    for name, what, code, place in (
        ("link_out", "a link out of the volume", 2, link("/etc/passwd")),
        ("link_up", "a link to the parent's files", 2, link("../../../secret.csv")),
        ("link_to_device", "a link to /dev/zero", 2, link("/dev/zero")),
        ("link_broken", "a link to nothing", 66, link("nothing.csv")),
        ("link_to_itself", "a link to itself", 66, link("hostile.csv")),
        ("named_pipe", "a named pipe, which no read would end", 66, pipe),
        ("socket", "a socket", 66, listening),
        ("folder", "a folder named like a file", 66, folder),
    ):
        yield pointed(source, f"place_{name}", what, code, place=place)
    if os.geteuid() == 0:
        yield pointed(source, "place_device", "a device", 66, place=device)
    yield Case("place_link_inside", "a link to a file of the volume", "same", place=inside,
               arguments=("--source", source))  # fmt: skip
    yield Case("place_holes", "a file of a tebibyte of holes", "refused", place=holes, code=73,
               arguments=("--source", source), heavy=True)  # fmt: skip


def datasets() -> Iterator[Case]:
    """Names of data sets, given on the command line."""
    for name, dataset in (
        ("parent", "../advertising"), ("absolute", "/etc/passwd"), ("newline", "a\nb"),
        ("substitution", "$(id)"), ("space", "a b"), ("empty", ""), ("dot", "."), ("long",
        "x" * 200), ("unicode", "\u6771"), ("nul_escape", "a\\0"), ("template", "{{x}}"),
        ("ansi", "\x1b[2J"), ("bidi", "\u202ex"), ("suffix", "advertising.toml"),
        ("trailing_newline", "advertising\n"),
    ):  # fmt: skip
        yield Case(f"dataset_{name}", f"the data set is named {dataset[:40]!r}", "refused",
                   TEXT, arguments=("--dataset", dataset), code=2)  # fmt: skip
    yield Case("dataset_missing", "a data set without a contract", "refused", TEXT,
               arguments=("--dataset", "nothing"), code=66)  # fmt: skip
    yield either("dataset_upper_case", "a data set named in another case", place=lambda v: None,
                 arguments=("--dataset", "ADVERTISING"), code=66)  # fmt: skip
