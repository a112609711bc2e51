"""Is the chain from a model back to its data whole? Recomputed from the files themselves.

Each report holds the sha256 of all that its stage read and wrote, and ``model_summary.json`` holds
the sha256 of each report before it. Whoever noted the sha256 of that one file can check all that
the model came from: its bytes, the reports, the parameters and the code that they name, the tables,
the data. ``verify`` goes that way, from the model back, and ends at the first link that does not
hold.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field

from .files import LARGE_LIMIT, UnreadableError
from .record import RUN_ID, Record, parse_json
from .volume import NotFoundError, TellingError, Volume

MAKER = "model_summary"
SUMMARY = "model_summary.json"
TEXT = "model_summary.txt"
# What make publish writes anew in the summary that it publishes.
DECISION = {"published", "reason"}
# What a person compares by eye; the pages and the reports have the rest of it.
SHORT = 12


class BrokenLinkError(TellingError):
    """A link of the chain does not hold; the message names file and stage."""


class SourceChangedError(BrokenLinkError):
    """All that the run made is whole, but a file that it was made from is not there any more."""


@dataclass(frozen=True)
class Link:
    """A file that is what ``stage`` recorded of it.

    ``state`` is ``whole``; ``size`` where only that was compared, as reading the file would have
    taken too long; ``other`` for what belongs to another model, which may go once it is replaced.
    """

    path: str
    stage: str
    sha256: str
    state: str = "whole"


@dataclass(frozen=True)
class Report:
    """A stage's report and the sha256 of its file."""

    stage: str
    content: Record
    sha256: str

    def made(self) -> dict[str, Record]:
        """Return what the stage wrote, by path."""
        return by_path(self.content.records("outputs"))

    def took(self) -> dict[str, Record]:
        """Return what the stage read, by path."""
        return by_path(self.content.records("inputs"))


@dataclass
class Chain:
    """The chain of a run. ``left`` is how many bytes may still be read; None for any number.

    ``verify`` fills in the rest as it goes; ``pin`` is the sha256 of the summary's file.
    """

    volume: Volume
    run_id: str
    left: int | None = None
    summary: Record = field(default_factory=Record)
    pin: str = ""
    reports: dict[str, Report] = field(default_factory=dict)
    sources: set[tuple[str, str | None]] = field(default_factory=set)

    @property
    def place(self) -> str:
        """The run's folder on the volume."""
        return f"runs/{self.run_id}"

    @property
    def origins(self) -> list[Record]:
        """What the summary says of each stage: its report's sha256, its recipe, its revision."""
        return self.summary.records("lineage")

    def verify(self) -> Iterator[Link]:
        """Yield each link that holds, from the model back to the data.

        Raises:
            NotFoundError: there is no such run, or it has made no model's summary.
            BrokenLinkError: the first link that does not hold.
        """
        self.read_summary()
        yield from self.check_reports()
        yield from self.check_published()
        for report in reversed(self.reports.values()):
            for path, recorded in report.made().items():
                yield self.check_file(path, recorded, report.stage)
        self.check_claims()
        for report in reversed(self.reports.values()):
            self.check_makers(report)
        for report in reversed(self.reports.values()):
            yield from self.check_sources(report)

    def read_summary(self) -> None:
        """Read the run's summary, or say why there is none."""
        if not RUN_ID.fullmatch(self.run_id):
            raise NotFoundError("That is no run id: letters, digits and _.~:+-, at most 200.")
        path = f"{self.place}/{MAKER}/{SUMMARY}"
        try:
            self.summary, self.pin = self.read(path)
        except FileNotFoundError:
            if self.run_id == self.volume.published():
                raise BrokenLinkError(
                    "%(path)s is missing: %(stage)s wrote it, and its model is the published one.",
                    path=path,
                    stage=MAKER,
                ) from None
            raise NotFoundError(
                "There is nothing to verify: %(path)s is not there, as run %(run)s has made no "
                "model.",
                path=path,
                run=self.run_id,
            ) from None

    def check_reports(self) -> Iterator[Link]:
        """Read each report, the oldest stage's first, and hold it to what was recorded of it."""
        if not self.origins:
            raise BrokenLinkError(
                "%(path)s records no lineage: an older version of %(stage)s wrote it.",
                path=f"{self.place}/{MAKER}/{SUMMARY}",
                stage=MAKER,
            )
        for origin in self.origins:
            stage, recorded = origin.text("stage") or "", origin.text("report") or ""
            report = self.read_report(stage)
            if report.sha256 != recorded:
                raise BrokenLinkError(
                    "%(path)s is not the report of %(stage)s that model_summary recorded: its "
                    "sha256 is %(found)s, and was %(recorded)s.",
                    path=self.report_path(stage),
                    stage=stage,
                    found=report.sha256[:SHORT],
                    recorded=recorded[:SHORT],
                )
            for key in ("recipe", "revision"):
                if origin.content.get(key) != report.content.content.get(key):
                    raise BrokenLinkError(
                        "%(path)s says another %(key)s of %(stage)s than the stage's own report.",
                        path=f"{self.place}/{MAKER}/{SUMMARY}",
                        key=key,
                        stage=stage,
                    )
            self.reports[stage] = report
            yield Link(self.report_path(stage), MAKER, recorded)
        later = [e.name for e in self.volume.tree.entries(self.place) if e.name not in self.reports]
        for stage in sorted(later, key=lambda name: name != MAKER):
            if stage == MAKER or self.volume.tree.size(self.report_path(stage)) is not None:
                self.reports[stage] = self.read_report(stage)

    def read_report(self, stage: str) -> Report:
        """Return a stage's report, which says of itself that it is of this run and stage."""
        path = self.report_path(stage)
        try:
            content, sha256 = self.read(path)
        except FileNotFoundError:
            raise BrokenLinkError(
                "%(path)s is missing: it is the report of %(stage)s.", path=path, stage=stage
            ) from None
        if (content.text("stage"), content.text("run_id")) != (stage, self.run_id):
            raise BrokenLinkError(
                "%(path)s is not the report of %(stage)s in run %(run)s.",
                path=path,
                stage=stage,
                run=self.run_id,
            )
        return Report(stage, content, sha256)

    def report_path(self, stage: str) -> str:
        """Return the path of a stage's report on the volume."""
        return f"{self.place}/{stage}/report.json"

    def check_published(self) -> Iterator[Link]:
        """Where this run's model is the published one, hold each published file to the summary."""
        release = self.volume.release()
        if release is None or self.volume.published() != self.run_id:
            return
        folder, files = f"model/releases/{release}", self.published_files()
        for entry in self.volume.tree.entries(folder):
            if entry.name not in files:
                raise BrokenLinkError(
                    "%(path)s is published, but %(stage)s recorded no such file.",
                    path=f"{folder}/{entry.name}",
                    stage=MAKER,
                )
        rewritten = (SUMMARY, TEXT) if self.is_by_hand() else ()
        for name, recorded in files.items():
            if not self.is_linked(name):
                raise BrokenLinkError(
                    "model/%(path)s is not the link to current/%(path)s that %(stage)s made.",
                    path=name,
                    stage=MAKER,
                )
            if name not in rewritten:
                yield self.check_file(f"{folder}/{name}", recorded, MAKER)

    def is_by_hand(self) -> bool:
        """Tell whether the published summary is the run's own but for the decision."""
        told, own = self.volume.model().summary.content, self.summary.content
        differing = {key for key in told.keys() | own.keys() if told.get(key) != own.get(key)}
        return bool(differing) and differing <= DECISION

    def is_linked(self, name: str) -> bool:
        """Tell whether the name that people load is the link that publishing made."""
        path = self.volume.path / "model" / name
        return path.is_symlink() and str(path.readlink()) == f"current/{name}"

    def published_files(self) -> dict[str, Record]:
        """Return what the summary and its stage recorded of each published file, by name."""
        model = self.summary.record("model")
        files = {(model.text("path") or "").rpartition("/")[2]: model}
        listed = self.summary.record("files")
        files |= {name: listed.record(name) for name in listed.content}
        written = self.reports[MAKER].made()
        for name in (SUMMARY, TEXT):
            files[name] = written.get(f"{self.place}/{MAKER}/{name}", Record())
        return files

    def check_claims(self) -> None:
        """Hold the files that the summary names to those that stages recorded as theirs."""
        source = self.summary.record("source")
        claims = [source, self.summary.record("model")]
        # The files of a folder are recorded one by one, and those of object storage nowhere.
        if source.content.get("files") or source.content.get("sha256", "") is None:
            claims.remove(source)
        known = [
            {path: record.text("sha256") for path, record in entries.items()}
            for report in self.reports.values()
            for entries in (report.took(), report.made())
        ]
        for claim in claims:
            path, sha256 = claim.text("path") or "?", claim.text("sha256")
            found = {entries[path] for entries in known if path in entries}
            if found != {sha256}:
                raise BrokenLinkError(
                    "%(path)s is recorded by %(stage)s with another sha256 than by the other "
                    "stages.",
                    path=path,
                    stage=MAKER,
                )
        made = {
            (path.rpartition("/")[2], record.text("sha256"))
            for report in self.reports.values()
            for path, record in report.made().items()
        }
        files = self.summary.record("files")
        for name in files.content:
            if (name, files.record(name).text("sha256")) not in made:
                raise BrokenLinkError(
                    "%(path)s is recorded by %(stage)s with a sha256 that no stage wrote.",
                    path=name,
                    stage=MAKER,
                )

    def check_makers(self, report: Report) -> None:
        """Hold what a stage read of this run to what the stage before recorded of it."""
        for path, recorded in report.took().items():
            maker = self.maker(path)
            if maker is None:
                continue
            made = self.reports.get(maker)
            if made is None:
                raise BrokenLinkError(
                    "%(path)s was read by %(stage)s, but no report of %(maker)s is recorded.",
                    path=path,
                    stage=report.stage,
                    maker=maker,
                )
            written = made.made().get(path, Record()).text("sha256")
            if path == self.report_path(maker):
                written = made.sha256
            if written != recorded.text("sha256"):
                raise BrokenLinkError(
                    "%(path)s as %(stage)s read it is not what %(maker)s wrote: their reports "
                    "record another sha256.",
                    path=path,
                    stage=report.stage,
                    maker=maker,
                )

    def check_sources(self, report: Report) -> Iterator[Link]:
        """Hold what a stage read from elsewhere, the data and their contract, to what is there."""
        for path, recorded in report.took().items():
            source = path, recorded.text("sha256")
            if self.maker(path) is not None or source in self.sources:
                continue
            self.sources.add(source)  # two stages read the data file, and it may be large
            if path.startswith(("model/", "runs/")):  # another model, to compare with
                yield Link(path, report.stage, recorded.text("sha256") or "", "other")
                continue
            try:
                yield self.check_file(path, recorded, report.stage)
            except BrokenLinkError as broken:
                raise SourceChangedError(
                    "%(path)s is no longer what %(stage)s read: it was changed or removed since. "
                    "All that the run made of it is whole.",
                    **broken.values,
                ) from None

    def maker(self, path: str) -> str | None:
        """Return the stage of this run that makes a file, or None for a file from elsewhere."""
        inside = path.removeprefix(f"{self.place}/")
        return inside.partition("/")[0] if inside != path else None

    def check_file(self, path: str, recorded: Record, stage: str) -> Link:
        """Return the link of a file that is as a stage recorded it, or raise BrokenLinkError."""
        sha256 = recorded.text("sha256") or ""
        try:
            with self.volume.tree.open(path) as file:
                size = os.fstat(file.fileno()).st_size
                read = self.left is None or size <= self.left
                if self.left is not None and read:
                    self.left -= size
                # An open file of the disk has readinto, which its type does not say.
                digest = hashlib.file_digest(file, "sha256") if read else None  # type: ignore[arg-type]
        except (FileNotFoundError, UnreadableError):
            raise BrokenLinkError(
                "%(path)s is missing, or no file: %(stage)s recorded it.", path=path, stage=stage
            ) from None
        if size != recorded.whole("bytes"):
            raise BrokenLinkError(
                "%(path)s was changed after %(stage)s recorded it: it has %(found)s bytes, and had "
                "%(recorded)s.",
                path=path,
                stage=stage,
                found=size,
                recorded=recorded.whole("bytes"),
            )
        if digest and digest.hexdigest() != sha256:
            raise BrokenLinkError(
                "%(path)s was changed after %(stage)s recorded it: its sha256 is %(found)s, and "
                "was %(recorded)s.",
                path=path,
                stage=stage,
                found=digest.hexdigest()[:SHORT],
                recorded=sha256[:SHORT],
            )
        return Link(path, stage, sha256, "whole" if digest else "size")

    def read(self, path: str) -> tuple[Record, str]:
        """Return a JSON file's object and its sha256, both of the same bytes.

        Raises:
            FileNotFoundError: it is not there.
            BrokenLinkError: it cannot be read.
        """
        try:
            content = self.volume.tree.bytes(path, LARGE_LIMIT)
            value = parse_json(content)
            if isinstance(value, dict):
                return Record(value), hashlib.sha256(content).hexdigest()
        except (UnreadableError, ValueError, RecursionError):
            pass
        raise BrokenLinkError(
            "%(path)s is no file of valid JSON, as %(stage)s writes.",
            path=path,
            stage=path.split("/")[-2],
        )


def published_run(volume: Volume) -> str:
    """Return the id of the run whose model is published.

    Raises:
        NotFoundError: no model is published.
        BrokenLinkError: one is, but its summary is missing or no summary.
    """
    if volume.release() is None:
        raise NotFoundError("No model is published yet; the first accepted run publishes one.")
    run_id = volume.published()
    if run_id is None:
        raise BrokenLinkError(
            "model/current/%(path)s is missing or names no run, as %(stage)s writes.",
            path=SUMMARY,
            stage=MAKER,
        )
    return run_id


def by_path(entries: list[Record]) -> dict[str, Record]:
    """Return a report's files by their paths on the volume."""
    return {path: entry for entry in entries if (path := entry.text("path"))}
