"""The data files, and the splits of them that tasks read: which lines or rows each begins with."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as sf

from build_model_spark.splits import BETWEEN, MARK, File, Split, Splits, known_uri
from load_data.source import OTHER_FORMS, find_form
from load_data.violations import Violations
from stage import Run, StageError

# Spark numbers a partition's rows in so many bits.
PLACE_BITS = 33
HEAD_BYTES = 512
BUCKET = re.compile(r"s3a?://.+")


def find_files(session: SparkSession, run: Run, source: str) -> list[File]:
    """Return the data files of a source by their names: a file, a folder's files, or a bucket's.

    One that is missing, or has no file, is refused (66).
    """
    outside = BUCKET.fullmatch(source) is not None
    place = source.replace("s3://", "s3a://", 1) if outside else run.path(source).as_uri()
    java: Any = session._jvm
    path = java.org.apache.hadoop.fs.Path(java.java.net.URI(place))
    system = path.getFileSystem(session._jsc.hadoopConfiguration())
    try:
        root = system.getFileStatus(path)
        listed = list(system.listStatus(path)) if root.isDirectory() else [root]
    except Exception as error:
        raise StageError(66, f"{source} cannot be read: {first_sentence(error)}") from None
    files = []
    for status in sorted(listed, key=lambda status: str(status.getPath().getName())):
        name = status.getPath().getName()
        if status.isDirectory() or name.startswith((".", "_")):
            continue
        size = int(status.getLen())
        stream = system.open(status.getPath())
        head = java.org.apache.commons.io.IOUtils.toByteArray(stream, min(size, HEAD_BYTES))
        stream.close()
        uri = known_uri(status.getPath().toUri().toString())
        shown = f"{source.rstrip('/')}/{name}" if root.isDirectory() else source
        files.append(File(uri, shown, size, find_form(bytes(head)), bytes(head)))
    if not files:
        raise StageError(66, f"{source} holds no file")
    return files


def first_sentence(error: Exception) -> str:
    """Return what Java says of an error, without its stack."""
    cause = getattr(error, "java_exception", None)
    return str(cause.getMessage() if cause else error).splitlines()[0]


def check_forms(files: list[File], contract: dict[str, Any], violations: Violations) -> str:
    """Return what the files are, ``text`` or ``Parquet``; what tasks can't read is refused."""
    forms = {file.form for file in files}
    for file in files:
        violations.name = file.name
        if file.form not in (None, "Parquet"):
            rule = f"is {file.form}, which Spark cannot read in parts; unpack it first"
            if file.form in OTHER_FORMS:
                rule = f"is {file.form}, which is not read; use plain text or Parquet"
            violations.refuse(None, None, None, rule)
        if len(forms) > 1:
            violations.refuse(None, None, None, "stands beside files of another form")
        if file.form is None and (
            contract.get("encoding", "utf-8").lower() != "utf-8"
            or file.head.startswith((b"\xff\xfe", b"\xfe\xff"))
        ):
            rule = "is no UTF-8, which alone Spark can read in parts; save it as UTF-8"
            violations.refuse(None, None, None, rule)
    return "text" if forms == {None} else "Parquet"


def paths_of(files: list[File]) -> list[str]:
    """Return the files' paths as Spark takes them, where some characters mean other files too."""
    return [re.sub(r"([][{}*?\\])", r"\\\1", unquote(file.uri)) for file in files if file.size]


def read_lines(session: SparkSession, files: list[File]) -> DataFrame:
    """Return the lines of text files as bytes, without their line feeds; each split a partition.

    ``place`` numbers the lines of a split from 0.
    """
    return (
        session.read.option("lineSep", "\n")
        .text(paths_of(files))
        .select(
            sf.col("value"),
            sf.col("_metadata.file_path").alias("file"),
            sf.col("_metadata.file_block_start").alias("start"),
            sf.monotonically_increasing_id().bitwiseAND(2**PLACE_BITS - 1).alias("place"),
        )
    )


def find_splits(
    lines: DataFrame, files: list[File], violations: Violations
) -> tuple[Splits, list[bytes]]:
    """Return the splits of text files, and each file's first line, of one pass over them.

    What only reads right as a whole is refused: a cell with a line break in it, as a quote that is
    opened and not closed in its line tells, and lines that end in CR alone.
    """

    def count(text: str) -> Any:
        without = sf.replace(sf.col("value"), sf.lit(text), sf.lit(""))
        return sf.octet_length("value") - sf.octet_length(without)

    ended = sf.when(sf.col("value").endswith("\r"), 1).otherwise(0)
    found = (
        lines.groupBy("file", "start")
        .agg(
            sf.count("*").alias("lines"),
            sf.min("place").alias("first"),
            sf.max(
                sf.when(sf.col("place") + sf.col("start") == 0, sf.col("value").cast("binary"))
            ).alias("header"),
            sf.min(sf.when(count('"') % 2 == 1, sf.col("place"))).alias("open_quote"),
            sf.min(sf.when(count("\r") > ended, sf.col("place"))).alias("lone_return"),
        )
        .collect()
    )
    numbers = {file.uri: number for number, file in enumerate(files)}
    splits: Splits = {}
    headers = [b""] * len(files)
    before = [0] * len(files)
    ordered = sorted((numbers[known_uri(row.file)], row.start, row) for row in found)
    for order, (number, start, row) in enumerate(ordered):
        assert row.first == 0, "each split is a partition of its own"
        violations.name = files[number].name
        first = 1 + before[number]
        if row.header is not None:
            headers[number] = bytes(row.header).removeprefix(MARK) + b"\n"
        if row.open_quote is not None:
            rule = (
                "opens a quoted cell that does not end in its line; Spark reads files in parts, "
                "which takes cells without line breaks"
            )
            violations.refuse(first + row.open_quote, None, None, rule)
        if row.lone_return is not None:
            rule = "holds a CR that ends no line by itself; end lines in LF or CR LF"
            violations.refuse(first + row.lone_return, None, None, rule)
        splits[files[number].uri, start] = Split(order, number, before[number], row.lines)
        before[number] += row.lines
    return splits, headers


def with_heads(lines: DataFrame) -> DataFrame:
    """Return the lines as tasks take them: with line feeds, and the first one says its split."""
    head = sf.concat_ws(BETWEEN, sf.col("file"), sf.col("start").cast("string"))
    return lines.select(
        sf.concat(sf.col("value").cast("binary"), sf.lit(b"\n")).alias("line"),
        sf.when(sf.col("place") == 0, head).alias("head"),
    )


def read_tables(session: SparkSession, files: list[File]) -> DataFrame:
    """Return the rows of Parquet files; each split is a partition."""
    return session.read.parquet(*paths_of(files))


def find_row_splits(tables: DataFrame, files: list[File]) -> Splits:
    """Return the splits of Parquet files, which are told by the row that they begin with."""
    found = (
        tables.select(
            sf.col("_metadata.file_path").alias("file"),
            sf.col("_metadata.row_index").alias("row"),
            sf.spark_partition_id().alias("partition"),
        )
        .groupBy("file", "partition")
        .agg(sf.min("row").alias("start"), sf.count("*").alias("rows"))
        .collect()
    )
    numbers = {file.uri: number for number, file in enumerate(files)}
    ordered = sorted((numbers[known_uri(row.file)], row.start, row.rows) for row in found)
    return {
        (files[number].uri, start): Split(order, number, start, rows)
        for order, (number, start, rows) in enumerate(ordered)
    }


def with_row_heads(tables: DataFrame, names: list[str]) -> DataFrame:
    """Return the named columns as tasks take them, by their places; the first row says its split.

    A name may hold anything, and Spark takes a dot for a part of a column.
    """
    head = sf.concat_ws(
        BETWEEN, sf.col("_metadata.file_path"), sf.col("_metadata.row_index").cast("string")
    )
    first = sf.monotonically_increasing_id().bitwiseAND(2**PLACE_BITS - 1) == 0
    columns = [
        sf.col(f"`{name.replace('`', '``')}`").alias(f"c{n}") for n, name in enumerate(names)
    ]
    return tables.select(*columns, sf.when(first, head).alias("head"))
