"""The folder reading: it reads the volume, and knows nothing of Flask and of the pages."""

import re
from pathlib import Path

from monitor import reading


def test_no_module_of_it_imports_flask_or_a_page():
    for path in Path(reading.__file__).parent.glob("*.py"):
        found = re.search(r"^\s*(from|import) (\.\.|[Ff]lask|monitor)", path.read_text(), re.M)
        assert not found, path.name


def test_no_module_of_it_loads_a_pickle():
    for path in Path(reading.__file__).parent.glob("*.py"):
        assert not re.search(r"\b(pickle|joblib|marshal|shelve)\b", path.read_text()), path.name
