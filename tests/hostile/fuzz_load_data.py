#!/usr/bin/env python3
"""Fuzz the door with atheris: libFuzzer changes inputs, led by which lines of load_data they reach.

    PYTHONPATH=images:. python tests/hostile/fuzz_load_data.py FOUND tests/hostile/corpus

What is found goes to the first folder. `make fuzz` runs it for long.
"""

from __future__ import annotations

import sys

import atheris

# The coverage of pyarrow's and the standard library's own code would lead nowhere.
with atheris.instrument_imports(include=["load_data"]):
    from tests.hostile.fuzz_oracle import check_input

if __name__ == "__main__":
    atheris.Setup(sys.argv, check_input)
    atheris.Fuzz()
