#!/usr/bin/env bash
# make lint: style, format and types of everything; changes nothing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

.venv/bin/ruff check .
.venv/bin/ruff format --check .
# Each stage is a main.py of its own: they are checked as modules of their folders.
.venv/bin/mypy images orchestration scripts benchmarks
for script in scripts/*.sh scripts/postgres/*.sh; do bash -n "$script"; done
