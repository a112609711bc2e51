"""Make the hostile corpus: each case's bytes, and the manifest that says what is expected.

    python -m tests.hostile.generate                  # writes manifest.json
    python -m tests.hostile.generate FOLDER [NAME...]  # also writes the cases' files to a folder

The same cases give the same bytes, so no file of theirs is kept.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.hostile import (
    cells,
    compression,
    contracts,
    encodings,
    header,
    names,
    parquets,
    sizes,
    structure,
    targets,
)
from tests.hostile.cases import CONTRACTS, NEVER, Case

MANIFEST = Path(__file__).with_name("manifest.json")
THEMES = {
    "structure": structure,
    "header": header,
    "cells": cells,
    "target": targets,
    "encodings": encodings,
    "compression": compression,
    "parquet": parquets,
    "size": sizes,
    "names": names,
    "contract": contracts,
}


def corpus() -> list[Case]:
    """Return all cases, each with its theme; a name stands for one case."""
    found = [
        replace(case, theme=theme) for theme, module in THEMES.items() for case in module.cases()
    ]
    twice = [name for name, count in Counter(case.name for case in found).items() if count > 1]
    assert not twice, f"cases of one name: {twice}"
    return found


def manifest(found: list[Case]) -> dict[str, Any]:
    """Return what the manifest holds."""
    return {
        "never": list(NEVER),
        "counts": dict(Counter(case.theme for case in found)),
        "expected": dict(Counter(case.expected for case in found)),
        "contracts": {name: text for name, (text, _, _) in CONTRACTS.items()
                      if name != "advertising"},
        "cases": [case.describe() for case in found],
    }  # fmt: skip


def written(content: dict[str, Any]) -> str:
    """Return the manifest's text: a line a case, in ASCII, as names and values are hostile."""
    cases = ",\n".join(f"  {json.dumps(case)}" for case in content["cases"])
    head = json.dumps({key: value for key, value in content.items() if key != "cases"}, indent=1)
    return head.removesuffix("\n}") + ',\n "cases": [\n' + cases + "\n ]\n}\n"


def main(arguments: list[str]) -> None:
    """Write the manifest and, if told where to, the files."""
    found = corpus()
    MANIFEST.write_text(written(manifest(found)), encoding="ascii")
    print(f"{MANIFEST.name}: {len(found)} cases")
    if arguments:
        folder = Path(arguments[0])
        folder.mkdir(parents=True, exist_ok=True)
        for case in found:
            if case.place is None and (case.name in arguments[1:] or not arguments[1:]):
                (folder / case.name).write_bytes(case.bytes())


if __name__ == "__main__":
    main(sys.argv[1:])
