"""An index of the volume's runs and mails, in SQLite: quick to list, search, sort and count.

It is never the truth: each row carries the signature of the files that it was made of, ``watch``
makes it anew when that changes, and a file that is lost, damaged or of another version is begun
again. Several processes share it.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Generic, TypeVar

from .evaluation import SCORES
from .mailbox import Envelope
from .record import moment
from .run import Run

VERSION = 3
# What is filtered and sorted by stands apart from the texts, so that a scan reads little.
FACTS = (
    *("run_id", "signature", "started", "ended", "seconds", "state", "dataset", "dag_id"),
    *("task", "cause", "published", "decided", "rows", "fraction"),
    *SCORES,
)
TEXTS = ("run_id", "source", "message", "reason", "parameters", "stages", "words")
MAIL = ("mail_id", "sent", "sender", "recipients", "subject")
# What a list may be sorted by.
SORTS = ("started", "seconds", "run_id", "state", "dataset", "rows", *SCORES)
SCHEMA = f"""
CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE runs (run_id TEXT PRIMARY KEY, {", ".join(FACTS[1:])});
CREATE TABLE texts (run_id TEXT PRIMARY KEY, {", ".join(TEXTS[1:])});
CREATE TABLE mails (mail_id TEXT PRIMARY KEY, {", ".join(MAIL[1:])});
CREATE INDEX runs_started ON runs (started DESC, run_id DESC);
{"".join(f"CREATE INDEX sort_{name} ON runs ({name} DESC, run_id DESC);" for name in SORTS[1:])}
CREATE INDEX runs_state ON runs (state, started DESC, run_id DESC);
CREATE INDEX runs_decided ON runs (decided, started DESC, run_id DESC);
CREATE INDEX mails_sent ON mails (sent DESC, mail_id DESC);
INSERT INTO meta VALUES ('generation', 1), ('mails', 1), ('whole', 0);
PRAGMA user_version = {VERSION};
"""
# Newest first, and the same one first whenever two started at once.
NEWEST = "ORDER BY started DESC, run_id DESC"

log = logging.getLogger(__name__)
Item = TypeVar("Item")


@dataclass(frozen=True)
class Row:
    """What a list shows of a run. Times are in UTC; ``seconds`` is None while it is in progress.

    ``task`` is the first that failed. ``published`` is None where no decision was made.
    """

    run_id: str
    state: str
    started: datetime
    ended: datetime | None
    seconds: float | None
    dataset: str | None
    source: str | None
    dag_id: str | None
    task: str | None
    cause: str | None
    message: str | None
    published: bool | None
    reason: str | None
    rows: int | None
    fraction: float
    parameters: dict[str, Any]
    stages: dict[str, float]
    scores: dict[str, float | None]


@dataclass(frozen=True)
class Query:
    """Which runs, in which order. All ``words`` are to be found; an empty filter filters not."""

    words: str = ""
    states: tuple[str, ...] = ()
    dataset: str = ""
    cause: str = ""
    published: bool | None = None
    decided: bool = False
    sort: str = "started"
    descending: bool = True
    page: int = 1
    page_size: int = 25


@dataclass(frozen=True)
class Page(Generic[Item]):
    """One page of a list, and how long the list is."""

    items: list[Item]
    total: int
    number: int
    size: int

    @property
    def pages(self) -> int:
        """How many pages there are, at least one."""
        return max(1, -(-self.total // self.size))


@dataclass
class Index:
    """The index in one file; safe to use from several threads and processes."""

    path: Path
    local: threading.local = field(default_factory=threading.local, repr=False)
    # Counts with the generation that they are of.
    counted: dict[tuple[str, ...], tuple[int, dict[str, int]]] = field(
        default_factory=dict, repr=False
    )
    sound: bool = field(default=False, repr=False)

    @property
    def connection(self) -> sqlite3.Connection:
        """This thread's connection; the file is made where there is none that fits."""
        connection: sqlite3.Connection | None = getattr(self.local, "connection", None)
        if connection is None:
            connection = self.local.connection = self.open()
        return connection

    def open(self) -> sqlite3.Connection:
        """Open the file, and the first time look all of it over; begin one that is bad again."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # One at a time, so that none discards what another process has just begun.
        with self.path.with_name(f"{self.path.name}.begin").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            try:
                connection = open_file(self.path, look_over=not self.sound)
            except sqlite3.DatabaseError as error:
                if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY:
                    raise
                log.warning("the index %s is begun again: %s", self.path, error)
                discard(self.path)
                connection = open_file(self.path)
            self.sound = True
        return connection

    def ask(self, statement: str, values: Iterable[Any] = ()) -> list[Any]:
        """Return the rows that a statement gives."""
        return self.connection.execute(statement, tuple(values)).fetchall()

    def meta(self, name: str) -> Any:
        """Return a value that is kept by its name, or None."""
        found = self.ask("SELECT value FROM meta WHERE name = ?", (name,))
        return found[0][0] if found else None

    @property
    def generation(self) -> int:
        """A number that grows with each change."""
        return int(self.meta("generation") or 0)

    @property
    def whole(self) -> bool:
        """Whether every run of the volume has been indexed once."""
        return bool(self.meta("whole"))

    @contextlib.contextmanager
    def change(self) -> Iterator[sqlite3.Connection]:
        """Change the index, whole or not at all, as a new generation."""
        connection = self.connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.execute("UPDATE meta SET value = value + 1 WHERE name = 'generation'")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")

    def keep(self, **values: Any) -> None:
        """Keep values by their names; a value that is the same is no change."""
        new = [(name, value) for name, value in values.items() if self.meta(name) != value]
        if new:
            with self.change() as connection:
                connection.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", new)

    def note(self, **values: Any) -> None:
        """Keep values by their names that no page shows: not a new generation."""
        self.connection.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", values.items())

    def put_runs(self, runs: Iterable[tuple[str, Run]], gone: Iterable[str] = ()) -> None:
        """Replace the rows of these runs, each with its signature; drop those that are gone."""
        made = [(fact_row(run, signature), text_row(run)) for signature, run in runs]
        lost = [(run_id,) for run_id in gone]
        if not made and not lost:
            return
        with self.change() as connection:
            connection.executemany(insert("runs", FACTS), [facts for facts, _ in made])
            connection.executemany(insert("texts", TEXTS), [texts for _, texts in made])
            connection.executemany("DELETE FROM runs WHERE run_id = ?", lost)
            connection.executemany("DELETE FROM texts WHERE run_id = ?", lost)

    def put_mails(self, mails: Iterable[Envelope], gone: Iterable[str] = ()) -> None:
        """Add the rows of these mails; drop those that are gone."""
        made = [(m.mail_id, m.sent.timestamp(), m.sender, m.recipients, m.subject) for m in mails]
        lost = [(mail_id,) for mail_id in gone]
        if not made and not lost:
            return
        with self.change() as connection:
            connection.executemany(insert("mails", MAIL), made)
            connection.executemany("DELETE FROM mails WHERE mail_id = ?", lost)
            connection.execute("UPDATE meta SET value = value + 1 WHERE name = 'mails'")

    def signatures(self) -> dict[str, str]:
        """Return the signature of each indexed run."""
        return dict(self.ask("SELECT run_id, signature FROM runs"))

    def signature(self, run_id: str) -> str | None:
        """Return the signature of an indexed run."""
        found = self.ask("SELECT signature FROM runs WHERE run_id = ?", (run_id,))
        return found[0][0] if found else None

    def watched(self, newest: int) -> dict[str, str]:
        """Return the signatures of the newest runs, and of the newest that are in progress."""
        newest_of = f"SELECT * FROM runs {{}} {NEWEST} LIMIT ?"
        part = f"SELECT run_id, signature FROM ({newest_of})"
        running = part.format("WHERE state = 'running'")
        return dict(self.ask(f"{part.format('')} UNION {running}", (newest, newest)))

    def indexed_mails(self) -> set[str]:
        """Return the names of all indexed mails."""
        return {mail_id for (mail_id,) in self.ask("SELECT mail_id FROM mails")}

    def runs(self, query: Query) -> Page[Row]:
        """Return a page of runs."""
        where, values = conditions(query)
        (total,) = self.ask(f"SELECT count(*) FROM runs {where}", values)[0]
        assert query.sort in SORTS
        order = "DESC" if query.descending else "ASC"
        # Rows without a value come last; descending they do by themselves, and an index helps.
        last = "" if query.descending else f"{query.sort} IS NULL, "
        by = f"{last}{query.sort} {order}, run_id {order}"
        found = self.ask(
            f"SELECT * FROM (SELECT run_id FROM runs {where} ORDER BY {by} LIMIT ? OFFSET ?) "
            f"CROSS JOIN runs USING (run_id) CROSS JOIN texts USING (run_id) ORDER BY {by}",
            [*values, query.page_size, (query.page - 1) * query.page_size],
        )
        return Page([read_row(row) for row in found], total, query.page, query.page_size)

    def newest_of(self, dag_id: str, *, by_hand: bool = False) -> str | None:
        """Return the id of a DAG's newest run, with ``by_hand`` also among those of no DAG."""
        also = " OR dag_id IS NULL" if by_hand else ""
        found = self.ask(
            f"SELECT run_id FROM runs WHERE dag_id = ?{also} {NEWEST} LIMIT 1", (dag_id,)
        )
        return found[0][0] if found else None

    def running_of(self, dag_ids: tuple[str, ...], most: int) -> list[tuple[str, str]]:
        """Return the newest runs of these DAGs that are not over: their ids and DAGs."""
        found = self.ask(
            f"SELECT run_id, dag_id FROM runs WHERE state = 'running' AND dag_id IN "
            f"({marks(dag_ids)}) {NEWEST} LIMIT {most}",
            dag_ids,
        )
        return [(run_id, dag_id) for run_id, dag_id in found]

    def newest(self, *states: str) -> str | None:
        """Return the newest run's id, among all or those in one of these states."""
        where = f"WHERE state IN ({marks(states)})" if states else ""
        found = self.ask(f"SELECT run_id FROM runs {where} {NEWEST} LIMIT 1", states)
        return found[0][0] if found else None

    def rows(self, run_ids: Iterable[str]) -> list[Row]:
        """Return the rows of these runs that there are, in the order asked for."""
        names = list(run_ids)
        statement = f"SELECT * FROM runs JOIN texts USING (run_id) WHERE run_id IN ({marks(names)})"
        found = {row["run_id"]: read_row(row) for row in self.ask(statement, names)}
        return [found[name] for name in names if name in found]

    def trend(self, size: int) -> list[Row]:
        """Return the newest runs that have a score, oldest first."""
        found = self.ask(
            f"SELECT * FROM (SELECT * FROM runs WHERE accuracy IS NOT NULL {NEWEST} LIMIT ?) "
            "JOIN texts USING (run_id) ORDER BY started, run_id",
            (size,),
        )
        return [read_row(row) for row in found]

    def counts(self, column: str = "state", *states: str) -> dict[str, int]:
        """Return how many runs there are by state, cause or dataset; rows without one left out.

        Where states are given, only runs in one of them count.
        """
        assert column in ("state", "cause", "dataset", "published")
        asked, generation = (column, *states), self.generation
        kept = self.counted.get(asked)
        if kept is None or kept[0] != generation:
            where = f"AND state IN ({marks(states)})" if states else ""
            found = self.ask(
                f"SELECT {column}, count(*) FROM runs WHERE {column} IS NOT NULL {where} "
                f"GROUP BY {column} ORDER BY count(*) DESC, {column}",
                states,
            )
            kept = self.counted[asked] = (generation, dict(found))
        return dict(kept[1])

    def mails(self, words: str, page: int, page_size: int) -> Page[Envelope]:
        """Return a page of mails, newest first, in which all words are found."""
        parts, values = [], []
        for word in words.split():
            parts.append("sender || ' ' || recipients || ' ' || subject LIKE ? ESCAPE '\\'")
            values.append(like(word))
        where = f"WHERE {' AND '.join(parts)}" if parts else ""
        (total,) = self.ask(f"SELECT count(*) FROM mails {where}", values)[0]
        found = self.ask(
            f"SELECT {', '.join(MAIL)} FROM mails {where} "
            "ORDER BY sent DESC, mail_id DESC LIMIT ? OFFSET ?",
            [*values, page_size, (page - 1) * page_size],
        )
        mails = [Envelope(name, moment(sent), *rest) for name, sent, *rest in found]
        return Page(mails, total, page, page_size)

    def mails_about(self, run_id: str) -> list[Envelope]:
        """Return the mails whose subject ends in a run's id, oldest first."""
        found = self.ask(
            f"SELECT {', '.join(MAIL)} FROM mails WHERE substr(' ' || subject, ?) = ? "
            "ORDER BY sent, mail_id LIMIT 20",
            (-len(run_id) - 1, f" {run_id}"),
        )
        return [Envelope(name, moment(sent), *rest) for name, sent, *rest in found]


def open_file(path: Path, *, look_over: bool = False) -> sqlite3.Connection:
    """Open an index file; sqlite3.DatabaseError where it is damaged or of another version."""
    connection = sqlite3.connect(path, timeout=10, isolation_level=None, check_same_thread=False)
    try:
        prepare(connection, look_over)
    except BaseException:
        connection.close()
        raise
    return connection


def prepare(connection: sqlite3.Connection, look_over: bool) -> None:
    """Set a new connection up, and make the tables where there are none."""
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA journal_mode = WAL")
    # No wait for the disk: what a loss of power damages is made again.
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA cache_size = -1000")
    connection.execute("BEGIN IMMEDIATE")  # two processes that start make it once
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version == 0:
        for statement in SCHEMA.split(";"):
            connection.execute(statement)
    connection.execute("COMMIT")
    if version not in (0, VERSION):
        raise sqlite3.DatabaseError(f"it is of version {version}, not {VERSION}")
    if look_over:
        (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            raise sqlite3.DatabaseError(found)


def discard(path: Path) -> None:
    """Remove an index file with what SQLite keeps beside it."""
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def fact_row(run: Run, signature: str) -> tuple[Any, ...]:
    """Return a run's row in ``runs``."""
    failure = run.failures[0] if run.failures else None
    refused = failure is not None and failure.exit_code == 80
    rows = next((stage.rows["rows"] for stage in run.stages if "rows" in stage.rows), None)
    scores = {name: run.metrics.number(name) for name in SCORES}
    facts = {
        "run_id": run.run_id,
        "signature": signature,
        "started": run.started.timestamp(),
        "ended": run.ended.timestamp() if run.ended else None,
        "seconds": run.seconds,
        "state": run.state,
        "dataset": run.dataset,
        "dag_id": run.dag_id,
        "task": failure.name if failure else None,
        "cause": failure.cause if failure else None,
        "published": False if refused else run.published,
        # A model that was published already is no decision.
        "decided": refused or (run.published is not None and not run.same_as),
        "rows": float(rows) if rows is not None else None,
        "fraction": run.fraction,
        **{name: None if score is None else float(score) for name, score in scores.items()},
    }
    return tuple(facts[name] for name in FACTS)


def text_row(run: Run) -> tuple[Any, ...]:
    """Return a run's row in ``texts``; ``words`` is what a search looks through."""
    failure = run.failures[0] if run.failures else None
    source = run.source.text("path")
    told = [f"{name}={value}" for name, value in run.parameters.items()]
    words = (run.run_id, run.dataset, source, run.state, *told)
    words += (failure.name, failure.cause, failure.message) if failure else (run.reason,)
    texts = {
        "run_id": run.run_id,
        "source": source,
        "message": failure.message if failure else None,
        "reason": failure.message if failure else run.reason,
        "parameters": json.dumps(run.parameters),
        "stages": json.dumps({s.name: s.seconds for s in run.stages if s.seconds is not None}),
        "words": " ".join(word for word in words if word).casefold(),
    }
    return tuple(texts[name] for name in TEXTS)


def read_row(row: sqlite3.Row) -> Row:
    """Return a run's row as it was put."""
    ended, published, rows = row["ended"], row["published"], row["rows"]
    return Row(
        run_id=row["run_id"],
        state=row["state"],
        started=moment(row["started"]),
        ended=None if ended is None else moment(ended),
        seconds=row["seconds"],
        dataset=row["dataset"],
        source=row["source"],
        dag_id=row["dag_id"],
        task=row["task"],
        cause=row["cause"],
        message=row["message"],
        published=None if published is None else bool(published),
        reason=row["reason"],
        rows=None if rows is None else int(rows),
        fraction=row["fraction"],
        parameters=json.loads(row["parameters"]),
        stages=json.loads(row["stages"]),
        scores={name: row[name] for name in SCORES},
    )


def conditions(query: Query) -> tuple[str, list[Any]]:
    """Return the WHERE clause of a query, and its values."""
    parts: list[str] = []
    values: list[Any] = []
    for column, value in (("dataset", query.dataset), ("cause", query.cause)):
        if value:
            parts.append(f"{column} = ?")
            values.append(value)
    if query.states:
        parts.append(f"state IN ({marks(query.states)})")
        values += query.states
    if query.published is not None:
        parts.append("published = ?")
        values.append(query.published)
    if query.decided:
        parts.append("decided = 1")
    if words := query.words.casefold().split():
        found = " AND ".join(["words LIKE ? ESCAPE '\\'"] * len(words))
        parts.append(f"run_id IN (SELECT run_id FROM texts WHERE {found})")
        values += [like(word) for word in words]
    return f"WHERE {' AND '.join(parts)}" if parts else "", values


def like(word: str) -> str:
    """Return the LIKE pattern, with ``\\`` as its escape, that finds a word anywhere."""
    for special in "\\%_":
        word = word.replace(special, f"\\{special}")
    return f"%{word}%"


def marks(values: Iterable[Any]) -> str:
    """Return a question mark for each value."""
    return ", ".join("?" for _ in values)


def insert(table: str, columns: tuple[str, ...]) -> str:
    """Return the statement that adds or replaces a row."""
    return f"INSERT OR REPLACE INTO {table} ({', '.join(columns)}) VALUES ({marks(columns)})"
