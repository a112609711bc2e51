"""Keep how the drills went: ``record_drills.py JUNIT`` adds to benchmarks/drills.json.

A drill that was not run this time keeps what is known of it; one that is gone is forgotten.
"""

import json
import sys
import xml.etree.ElementTree as ET
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "drills.json"


def read_report(path: Path) -> dict[str, dict[str, object]]:
    """Return times and result of each drill in a report, with its parameters together.

    A drill that does not say how often it broke something did so once.
    """
    times: dict[str, int] = defaultdict(int)
    broken, skipped = set(), set()
    # pytest's own report, written a moment ago.
    for case in ET.parse(path).getroot().iter("testcase"):  # noqa: S314
        module = case.get("classname", "").rpartition(".")[2]
        name = f"{module}.{case.get('name', '').partition('[')[0]}"
        found = {p.get("name"): p.get("value") for p in case.iter("property")}
        times[name] += int(found.get("times") or 1)
        if case.find("failure") is not None or case.find("error") is not None:
            broken.add(name)
        elif case.find("skipped") is not None:
            skipped.add(name)
    words = {name: "broken" if name in broken else "skipped" if name in skipped else "kept"
             for name in times}  # fmt: skip
    return {n: {"times": 0 if n in skipped else times[n], "result": words[n]} for n in times}


def main() -> None:
    """Merge a report into what is kept."""
    kept = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    kept |= read_report(Path(sys.argv[1]))
    # A drill stands in any folder of tests, beside the tests of what it breaks.
    files = {path.stem: path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py")}
    known = {
        name: kept[name]
        for name in sorted(kept)
        if f"def {name.partition('.')[2]}(" in files.get(name.partition(".")[0], "")
    }
    RESULTS.write_text(json.dumps(known, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
