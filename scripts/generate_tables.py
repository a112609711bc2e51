"""Write the tables that come from elsewhere: from contracts, a schema, and the drills.

python scripts/generate_tables.py            # writes them
python scripts/generate_tables.py --check    # exits 1 when they are not current
"""

import ast
import json
import sys
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
DATA_CONTRACT = ROOT / "images" / "start_pipeline" / "data_contract.schema.json"
DRILL_RESULTS = ROOT / "benchmarks" / "drills.json"
ORDER = (
    *("start_pipeline", "load_data", "data_preprocessing", "separate_data", "build_model"),
    *("evaluate_model", "model_summary", "trigger_flask_api", "end_pipeline", "predict"),
    "build_model_spark",
)


def read_toml(path: Path) -> dict[str, Any]:
    """Return a TOML file's content."""
    return tomllib.loads(path.read_text(encoding="utf-8"))


def table(header: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    escaped = ([cell.replace("|", "\\|") for cell in row] for row in lines)
    return "\n".join(f"| {' | '.join(row)} |" for row in escaped)


def stage_table() -> str:
    """Return one row a stage: what it does, what it writes."""
    rows = []
    for stage in ORDER:
        contract = read_toml(ROOT / "images" / stage / "stage.toml")
        outputs = ", ".join(f"`{name}`" for name in contract.get("outputs", {}))
        published = ", ".join(f"`{name}`" for name in contract.get("publishes", {}))
        resources = contract["resources"]
        rows.append(
            [
                f"`{stage}`",
                contract["summary"],
                outputs + (f"; publishes {published}" if published else ""),
                f"{resources['memory']}, {resources['cpus']:g} CPU",
            ]
        )
    return table(["stage", "what it does", "what it writes", "limits"], rows)


def parameter_table() -> str:
    """Return one row a parameter: default, where it counts, meaning."""
    rows: dict[str, list[str]] = {}
    for stage in ORDER:
        contract = read_toml(ROOT / "images" / stage / "stage.toml")
        for name, parameter in contract.get("parameters", {}).items():
            if name in rows:
                rows[name][2] += f", `{stage}`"
                continue
            default = parameter["default"]
            shown = str(default).lower() if isinstance(default, bool) else str(default)
            words = f" ({', '.join(parameter['enum'])})" if "enum" in parameter else ""
            rows[name] = [
                f"`{name}`",
                f"`{shown}`" if shown else "empty",
                f"`{stage}`",
                # In Markdown <dataset> is a tag of HTML.
                (parameter["help"] + words).replace("<", "&lt;"),
            ]
    return table(["parameter", "default", "stage", "meaning"], list(rows.values()))


def exit_code_table() -> str:
    """Return one row an exit code: cause, whether Airflow tries again, what to do."""
    codes = read_toml(ROOT / "images" / "exit_codes.toml")
    rows = [
        [f"`{code}`", entry["cause"], "yes" if entry["retried"] else "no", entry["advice"]]
        for code, entry in codes.items()
    ]
    return table(["code", "cause", "tried again", "what to do"], rows)


def contract_table() -> str:
    """Return one row a key that stands at the top of a data contract."""
    return schema_table(json.loads(DATA_CONTRACT.read_text(encoding="utf-8")))


def column_table() -> str:
    """Return one row a key of a column in a data contract."""
    schema = json.loads(DATA_CONTRACT.read_text(encoding="utf-8"))
    return schema_table(schema["definitions"]["column"])


def schema_table(schema: dict[str, Any]) -> str:
    """Return one row a key of a JSON Schema: what it may be, its default, its meaning."""
    rows = []
    for key, rule in schema["properties"].items():
        default = f"`{json.dumps(rule['default'])}`" if "default" in rule else ""
        rows.append(
            [
                f"`{key}`",
                schema_values(rule),
                "must be there" if key in schema["required"] else default,
                rule["description"].replace("<", "&lt;"),
            ]
        )
    return table(["key", "value", "default", "meaning"], rows)


def schema_values(rule: dict[str, Any]) -> str:
    """Return in words what a key may be."""
    if "enum" in rule:
        return ", ".join(f"`{value}`" for value in rule["enum"])
    kinds = [rule["type"]] if isinstance(rule["type"], str) else rule["type"]
    words = {"string": "text", "object": "tables", "boolean": "`true` or `false`"}
    if "items" in rule:
        words["array"] = f"list of {schema_values(rule['items']).replace(' or ', 's or ')}s"
    value = " or ".join(words.get(kind, kind) for kind in kinds)
    return value + (f" from {rule['minimum']} to {rule['maximum']}" if "maximum" in rule else "")


def drill_table() -> str:
    """Return one row a drill: its name is the promise, its docstring says what is broken.

    benchmarks/drills.json, which ``make drills`` writes, knows how it went.
    """
    results = json.loads(DRILL_RESULTS.read_text(encoding="utf-8"))
    rows = []
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for test in drills(ast.parse(path.read_text(encoding="utf-8"))):
            what = " ".join((ast.get_docstring(test) or "").partition("\n\n")[0].split())
            promise = test.name.removeprefix("test_").replace("_", " ").capitalize()
            result = results.get(f"{path.stem}.{test.name}", {"times": 0, "result": "not run"})
            rows.append([promise, what, str(result["times"]), result["result"]])
    return table(["promise", "what is broken", "times", "result"], rows)


def drills(module: ast.Module) -> list[ast.FunctionDef]:
    """Return the tests of a module that are marked as drills, themselves or with all of it."""
    names = [node for node in module.body if isinstance(node, ast.Assign)]
    marks = [ast.unparse(n.value) for n in names if ast.unparse(n.targets[0]) == "pytestmark"]
    tests = [n for n in module.body if isinstance(n, ast.FunctionDef) and n.name[:5] == "test_"]
    return [
        test
        for test in tests
        if any("mark.drill" in mark for mark in [*marks, *map(ast.unparse, test.decorator_list)])
    ]


# Which tables stand in which document, and what makes each.
TABLES = {
    "README.md": {
        "stages": stage_table,
        "parameters": parameter_table,
        "exit codes": exit_code_table,
    },
    "docs/data.md": {"data contract": contract_table, "columns": column_table},
    "docs/reliability.md": {"drills": drill_table},
}


def fill(document: str, text: str) -> str:
    """Return a document with each of its tables between two marks replaced."""
    for name, make in TABLES[document].items():
        before, start, rest = text.partition(f"<!-- {name}: generated by make tables -->\n")
        _, end, after = rest.partition("\n<!-- end -->")
        if not (start and end):
            sys.exit(f"error: {document} has no place for the table {name!r}")
        text = before + start + make() + end + after
    return text


def main() -> None:
    """Write the tables, or check them."""
    for document in TABLES:
        old = (ROOT / document).read_text(encoding="utf-8")
        new = fill(document, old)
        if old == new:
            continue
        if "--check" in sys.argv[1:]:
            sys.exit(f"error: the tables of {document} are not current: run make tables")
        (ROOT / document).write_text(new, encoding="utf-8")


if __name__ == "__main__":
    main()
