"""The data contract, ``data/<dataset>.toml``: what each column of the data file is.

``data_contract.schema.json`` is the home of the format: keys, types, limits, defaults. What a
schema can't say, mostly how keys go together, is checked here.
"""

import functools
import json
import math
import re
import tomllib
from collections import defaultdict
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path, PurePosixPath
from typing import Any, NoReturn

import fastjsonschema

from stage import data_refused, one_line
from start_pipeline.toml_lines import DEEPEST, Key, KeyLines, TooDeepError

SCHEMA_FILE = Path(__file__).with_name("data_contract.schema.json")
LARGEST = 4 * 2**20
TYPES_OF_ROLE = {
    "feature": ("integer", "number", "category", "text"),
    "target": ("integer", "category", "text"),
    "time": ("time", "integer", "number"),
    "group": ("integer", "number", "category", "text"),
}
NAMELESS = 'a column needs a name; write [columns."<name>"]'
WORDS = {
    "string": "a text",
    "number": "a number",
    "integer": "an integer",
    "boolean": "true or false",
    "array": "a list",
    "object": "a table",
}
WORDS_OF_TOML: dict[type, str] = {
    str: "a text",
    bool: "a boolean",
    int: "an integer",
    float: "a number",
    list: "a list",
    dict: "a table",
}


class ContractFile:
    """A contract's text, which knows the line that a message is about."""

    def __init__(self, path: Path, name: str) -> None:
        """Read the file; ``name`` is its name in messages."""
        self.name = name
        if path.stat().st_size > LARGEST:
            raise data_refused(f"{name} is larger than {LARGEST >> 20} MiB; this is no contract")
        content = path.read_bytes()
        try:
            self.text = content.decode("utf-8-sig").replace("\r\n", "\n")
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            byte = content[error.start]
            self.refuse_line(line, f"the byte 0x{byte:02x} is no UTF-8; save the file as UTF-8")

    @functools.cached_property
    def lines(self) -> dict[Key, int]:
        """The line of each key."""
        try:
            return KeyLines.of(self.text)
        except TooDeepError as error:
            self.refuse_line(error.line, f"this is {error}; no contract is")

    def parse(self) -> dict[str, Any]:
        """Return the file's content."""
        if any(line.count(".") > DEEPEST for line in self.text.split("\n")):
            _ = self.lines  # refuses a key of many parts, on which tomllib would choke
        try:
            return tomllib.loads(self.text)
        except tomllib.TOMLDecodeError as error:
            what, _, where = str(error).rpartition(" (at ")
            numbers = re.match(r"line (\d+)", where)
            # What is not closed is missed at the end of the text.
            line = int(numbers[1]) if numbers else self.text.rstrip("\n").count("\n") + 1
            self.refuse_line(line, f"no valid TOML: {one_line(what, 200)}{self.hint(line)}")
        except RecursionError:
            _ = self.lines  # tells the line
            self.refuse_line(None, "this is nested too deep; no contract is")
        except ValueError:  # Python reads no number of more digits
            self.refuse_line(None, "no valid TOML: a number has more than 4300 digits")

    def hint(self, line: int) -> str:
        """Return what a person should know who wrote a column's name without its quotes."""
        text = self.text.split("\n")[line - 1].strip()
        if not (name := re.fullmatch(r"""\[columns\.([^"'\]]*)\]?.*""", text)):
            return ""
        return f'; quote the name of the column: [columns."{one_line(name[1], 80)}"]'

    def refuse(self, key: Key, message: str) -> NoReturn:
        """Raise the refusal (65) for a key, with the line of it or of the table it is missed in."""
        while key and key not in self.lines:
            key = key[:-1]
        self.refuse_line(self.lines.get(key), message)

    def refuse_line(self, line: int | None, message: str) -> NoReturn:
        """Raise the refusal (65) for a line."""
        raise data_refused(f"{self.name}{f', line {line}' if line else ''}: {message}")


def read_contract(path: Path, name: str) -> dict[str, Any]:
    """Return the contract as it stands in the file, with defaults filled in and all checked.

    ``name`` is the file's name in messages. A contract that breaks the format is refused (65)
    with the line, the key and the rule.
    """
    file = ContractFile(path, name)
    contract = file.parse()
    check_structure(file, contract)
    check_path(file, contract["path"])
    if not is_finite(contract["max_dropped_share"]):
        file.refuse(("max_dropped_share",), "max_dropped_share must be a finite number")
    for key, value in contract["drift"].items():
        if not is_finite(value):
            file.refuse(("drift", key), f"drift: {key} must be a finite number")
    for column, rules in contract["columns"].items():
        check_column(file, column, rules)
    check_roles(file, contract["columns"])
    return contract


def shown(value: Any) -> str:
    """Return what a file holds in a form that is safe and short enough for a message."""
    return one_line(repr(value), 80)


@functools.cache
def validators() -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    """Return the checks of the contract without its columns, and of one column.

    Each column is checked by itself: fastjsonschema names places by dots, which names may hold.
    """
    schema = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    column = schema["definitions"]["column"]
    del schema["properties"]["columns"]["additionalProperties"]
    return (
        fastjsonschema.compile(schema, fast_fail=False),
        fastjsonschema.compile(column, fast_fail=False),
    )


def check_structure(file: ContractFile, contract: dict[str, Any]) -> None:
    """Refuse what breaks the schema, and fill in its defaults."""
    check_contract, check_one = validators()
    check_table(file, (), contract, check_contract)
    for column, rules in contract["columns"].items():
        check_table(file, ("columns", column), rules, check_one)


def check_table(
    file: ContractFile, table: Key, content: Any, validate: Callable[[Any], Any]
) -> None:
    """Refuse a table that breaks its schema: a typo of a key first, as others may follow of it."""
    try:
        validate(content)
    except fastjsonschema.JsonSchemaValuesException as found:
        errors = sorted(found.errors, key=lambda error: error.rule != "additionalProperties")
        key, message = describe(errors[0], table)
        where = f"column {shown(table[1])}: " if table else ""
        file.refuse((*table, *key), where + message)


def describe(error: fastjsonschema.JsonSchemaValueException, table: Key) -> tuple[Key, str]:
    """Return the key that breaks a rule of the schema, and what must be."""
    rule, value, limit = error.rule, error.value, error.rule_definition
    if rule == "additionalProperties":
        unknown = next(key for key in value if key not in error.definition["properties"])
        return (*error.path[1:], unknown), describe_unknown(
            unknown, value, list(error.definition["properties"])
        )
    if rule == "required":
        key = next(key for key in limit if key not in value)
        return (key,), describe_missing(key)
    if rule == "propertyNames":
        return ("columns", next(key for key in value if not key or "\0" in key)), NAMELESS
    key = error.path[1] if len(error.path) > 1 else "this"
    inside = "a value of " if len(error.path) > 2 else ""
    return (key,), f"{inside}{key} {describe_value(error)}"


def describe_value(error: fastjsonschema.JsonSchemaValueException) -> str:
    """Return what must be of a key's value."""
    value, limit = error.value, error.rule_definition
    match error.rule:
        case "type":
            words = " or ".join(WORDS[t] for t in ([limit] if isinstance(limit, str) else limit))
            return f"must be {words}, not {WORDS_OF_TOML.get(type(value), 'a date or a time')}"
        case "enum":
            near = get_close_matches(str(value).lower()[:100], limit, 1)
            meant = f"; did you mean {near[0]!r}?" if near else ""
            return f"is {shown(value)}; it must be one of {', '.join(limit)}{meant}"
        case "minimum" | "maximum":
            return f"must be {'at least' if error.rule == 'minimum' else 'at most'} {limit}"
        case "pattern":
            return f"must be {error.definition['patternErrorMessage']}"
        case "minItems" | "minProperties":
            return "must hold at least one"
        case "minLength":
            return "must not be empty"
        case _:
            return "holds a value twice"


def describe_missing(key: str) -> str:
    """Return what to write for a key that must be there."""
    if key == "path":
        return 'path is missing; write path = "data/<file>.csv"'
    if key == "columns":
        return "there is no [columns.<name>]; describe each column"
    return f"{key} is missing"


def describe_unknown(unknown: str, table: dict[str, Any], known: list[str]) -> str:
    """Return what may have been meant by a key that the format does not know."""
    in_column = "role" in known
    text = f"unknown key {shown(unknown)}; "
    if near := get_close_matches(unknown.lower()[:100], known, 1, cutoff=0.7):
        return f"{text}did you mean {near[0]!r}?"
    elsewhere = schema_keys("top" if in_column else "column")
    if unknown in elsewhere:
        place = "stands above the first [columns.<name>]" if in_column else "stands in a column"
        return f"{text}it {place}"
    if in_column and isinstance(table[unknown], dict):
        return f'{text}quote a column\'s name that holds a dot: [columns."<name>"]'
    return f"{text}known are {', '.join(known)}"


def schema_keys(where: str) -> list[str]:
    """Return the keys of the contract's top, or of a column."""
    schema = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    return list((schema if where == "top" else schema["definitions"]["column"])["properties"])


def check_path(file: ContractFile, path: str) -> None:
    """Refuse a data file's path that leaves the volume."""
    if path.startswith("/") or ".." in PurePosixPath(path).parts or "\0" in path:
        message = f"path {shown(path)} leaves the shared volume; name a file inside it"
        file.refuse(("path",), message)


def check_column(file: ContractFile, column: str, rules: dict[str, Any]) -> None:
    """Refuse a column whose keys do not go together."""

    def refuse(key: str, message: str) -> NoReturn:
        file.refuse(("columns", column, key), f"column {shown(column)}: {message}")

    check_values(rules, refuse)
    if rules["role"] != "unused":
        check_role(rules, refuse)
        check_segment(rules, refuse)
    if rules["role"] == "target":
        check_target(rules, refuse)


def check_values(rules: dict[str, Any], refuse: Callable[[str, str], NoReturn]) -> None:
    """Refuse a range or a list of allowed values that the column's type can't hold."""
    kind = rules["type"]
    for key in ("minimum", "maximum"):
        if key in rules and kind not in ("integer", "number"):
            refuse(key, f"{key} is for an integer or a number, not for type {kind}")
        if key in rules and not is_finite(rules[key]):
            refuse(key, f"{key} must be a finite number, an integer of at most 64 bits")
    if rules.get("minimum", -math.inf) > rules.get("maximum", math.inf):
        refuse("minimum", "minimum is above maximum, so no value is allowed")
    if "allowed" not in rules:
        return
    if kind == "time":
        refuse("allowed", "allowed is not for type time")
    for value in rules["allowed"]:
        if not is_value_of(kind, value):
            refuse("allowed", f"allowed holds {shown(value)}, which is not {words_of(kind)}")


def check_role(rules: dict[str, Any], refuse: Callable[[str, str], NoReturn]) -> None:
    """Refuse a type or a treatment that the column's role does not have."""
    kind, role = rules["type"], rules["role"]
    if kind not in TYPES_OF_ROLE[role]:
        *types, last = TYPES_OF_ROLE[role]
        refuse("type", f"a {role} is of type {', '.join(types)} or {last}, not {kind}")
    if rules["missing"] in ("impute", "indicator") and role != "feature":
        refuse("missing", f"missing is {rules['missing']}; of a {role} it must be refuse or drop")
    if "encode" in rules and (role, kind) != ("feature", "category"):
        refuse("encode", "encode is for a feature of type category only")
    if "positive" in rules and role != "target":
        refuse("positive", f"positive is for the target only, not for a {role}")


def check_segment(rules: dict[str, Any], refuse: Callable[[str, str], NoReturn]) -> None:
    """Refuse a segment of what is no feature, or of values that cannot be told apart by it."""
    if not (segment := rules.get("segment", False)):
        return
    kind, role = rules["type"], rules["role"]
    if role != "feature":
        refuse("segment", f"segment is for a feature, which test rows have, not for a {role}")
    if segment is True:
        if kind not in ("integer", "category"):
            hint = "; write its boundaries, segment = [30, 40]" if kind == "number" else ""
            refuse("segment", f"segment = true is for few values, not for type {kind}{hint}")
        return
    if kind not in ("integer", "number"):
        refuse("segment", f"boundaries are for an integer or a number, not for type {kind}")
    if not all(is_finite(boundary) for boundary in segment) or segment != sorted(segment):
        refuse("segment", "the boundaries of segment must be finite numbers that rise")


def check_target(rules: dict[str, Any], refuse: Callable[[str, str], NoReturn]) -> None:
    """Refuse a target that has not two values, one of them the positive one."""
    allowed = rules.get("allowed", [])
    if len(allowed) != 2:
        sample = "[0, 1]" if rules["type"] == "integer" else '["no", "yes"]'
        refuse("allowed", f"the target needs its two values: allowed = {sample}")
    said = "" if "positive" in rules else " by default"
    positive = rules.setdefault("positive", 1)
    if not any(type(value) is type(positive) and value == positive for value in allowed):
        choices = " or ".join(shown(value) for value in allowed)
        refuse("positive", f"positive is{said} {shown(positive)}; it must be {choices}")


def columns_by_role(columns: dict[str, dict[str, Any]]) -> defaultdict[str, list[str]]:
    """Return the columns of each role, in the contract's order."""
    names = defaultdict(list)
    for name, rules in columns.items():
        names[rules["role"]].append(name)
    return names


def check_roles(file: ContractFile, columns: dict[str, dict[str, Any]]) -> None:
    """Refuse a contract without a feature, without a target, or with two columns for one role."""
    names = columns_by_role(columns)
    for role in ("target", "time", "group"):
        if len(names[role]) > 1:
            first, second = names[role][:2]
            message = f"only one column can have the role {role}, and {shown(first)} has it"
            file.refuse(("columns", second, "role"), f"column {shown(second)}: {message}")
    for role in ("target", "feature"):
        if not names[role]:
            file.refuse((), f'no column has the role {role}; write role = "{role}" in one of them')


def words_of(kind: str) -> str:
    """Return what a value of a column's type is, in words."""
    texts = {"integer": "an integer of at most 64 bits", "number": "a finite number"}
    return texts.get(kind, f"a text, as the cells of type {kind} are: put it in quotes")


def is_value_of(kind: str, value: Any) -> bool:
    """Tell whether a cell of a column of this type can hold the value."""
    if kind in ("integer", "number"):
        return is_finite(value) and (kind == "number" or isinstance(value, int))
    return isinstance(value, str)


def is_finite(value: Any) -> bool:
    """Tell whether a value is a finite number, and an integer one of 64 bits, as TOML has them."""
    if isinstance(value, int) and not isinstance(value, bool):
        return -(2**63) <= value < 2**63
    return isinstance(value, float) and math.isfinite(value)
