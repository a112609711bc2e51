"""The data contract, ``data/<dataset>.toml``: what each column of the data file is."""

import math
import re
import tomllib
from pathlib import Path, PurePosixPath
from typing import Any, NoReturn

from stage import data_refused

TOP_KEYS = {"description", "path", "delimiter", "encoding", "columns"}
COLUMN_KEYS = {"description", "type", "role", "unit", "minimum", "maximum", "allowed"}
TYPES = ("integer", "number", "text")
ROLES = ("feature", "target", "unused")


class ContractFile:
    """A contract's text, kept to tell the line that a message is about."""

    def __init__(self, text: str, name: str) -> None:
        self.lines = text.splitlines()
        self.name = name

    def refuse(self, key: str, message: str) -> NoReturn:
        """Raise the refusal (65) for a key, with the line that it stands on."""
        spelled = re.compile(rf"^\s*\[?(columns\.)?[\"']?{re.escape(key)}[\"']?\s*(=|\])")
        lines = (f", line {n}" for n, text in enumerate(self.lines, 1) if spelled.match(text))
        raise data_refused(f"{self.name}{next(lines, '')}: {message}")


def read_contract(path: Path, name: str) -> dict[str, Any]:
    """Return the contract as it stands in the file, with defaults filled in and all checked.

    ``name`` is the file's name in messages. A contract that breaks the format is refused (65)
    with the line, the key and the rule.
    """
    try:
        text = path.read_text(encoding="utf-8")
        contract = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise data_refused(f"{name} is no valid TOML: {error}") from None
    file = ContractFile(text, name)
    check_keys(file, contract, TOP_KEYS, "the contract")
    check_path(file, contract.get("path"))
    columns = contract.get("columns")
    if not isinstance(columns, dict) or not columns:
        raise data_refused(f"{name}: there is no [columns.<name>]; describe each column")
    for column, rules in columns.items():
        check_column(file, column, rules)
    check_roles(name, [rules["role"] for rules in columns.values()])
    contract.setdefault("delimiter", ",")
    contract.setdefault("encoding", "utf-8")
    if not is_delimiter(contract["delimiter"]):
        file.refuse("delimiter", "delimiter must be one character, no quote and no line end")
    if contract["encoding"] != "utf-8":
        file.refuse("encoding", f"encoding {contract['encoding']!r} is not read; use utf-8")
    return contract


def check_keys(file: ContractFile, table: dict[str, Any], known: set[str], where: str) -> None:
    """Refuse a key that the format does not know: most often a typo."""
    for key in table:
        if key not in known:
            file.refuse(
                key, f"{where} has an unknown key {key!r}; known: {', '.join(sorted(known))}"
            )


def check_path(file: ContractFile, path: Any) -> None:
    """Refuse a data file's path that is missing or leaves the volume."""
    if not isinstance(path, str) or not path:
        file.refuse("path", 'path is missing; write path = "data/<file>.csv"')
    if path.startswith("/") or ".." in PurePosixPath(path).parts or "\0" in path:
        file.refuse("path", f"path {path!r} leaves the shared volume; name a file inside it")


def check_column(file: ContractFile, column: str, rules: Any) -> None:
    """Refuse a column's table that breaks the format."""
    where = f"column {column!r}"
    if not isinstance(rules, dict):
        file.refuse(column, f"{where} must be a table, [columns.{column!r}]")
    check_keys(file, rules, COLUMN_KEYS, where)
    for key, allowed in (("type", TYPES), ("role", ROLES)):
        if rules.get(key) not in allowed:
            file.refuse(
                column,
                f"{where}: {key} is {rules.get(key)!r}; it must be one of {', '.join(allowed)}",
            )
    for key in ("minimum", "maximum"):
        if key in rules and not is_number(rules[key]):
            file.refuse(column, f"{where}: {key} must be a number")
    if rules.get("minimum", -math.inf) > rules.get("maximum", math.inf):
        file.refuse(column, f"{where}: minimum is above maximum, so no value is allowed")
    if rules["role"] != "unused" and rules["type"] == "text":
        file.refuse(column, f"{where}: a {rules['role']} must be an integer or a number, not text")
    if "allowed" in rules and not is_list_of_values(rules["allowed"], rules["type"]):
        file.refuse(column, f"{where}: allowed must be a list of values of type {rules['type']}")
    if rules["role"] == "target" and rules.get("allowed") != [0, 1]:
        file.refuse(column, f"{where}: the target needs allowed = [0, 1]")


def check_roles(name: str, roles: list[str]) -> None:
    """Refuse a contract without a feature, or without exactly one target."""
    if roles.count("target") != 1:
        raise data_refused(f"{name}: {roles.count('target')} columns have the role target, not 1")
    if "feature" not in roles:
        raise data_refused(f"{name}: no column has the role feature; the model needs at least one")


def is_number(value: Any) -> bool:
    """Tell whether a TOML value is a finite number; a boolean is none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def is_list_of_values(value: Any, kind: str) -> bool:
    """Tell whether a TOML value is a list of numbers, or of texts for the type text."""
    belongs = (lambda v: isinstance(v, str)) if kind == "text" else is_number
    return isinstance(value, list) and bool(value) and all(map(belongs, value))


def is_delimiter(value: Any) -> bool:
    """Tell whether a TOML value can stand between the cells of a CSV file."""
    return isinstance(value, str) and len(value) == 1 and value not in '"\r\n\0 '
