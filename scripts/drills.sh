#!/usr/bin/env bash
# make drills: the tests marked `drill`, on a stack of their own, and how they went in benchmarks/drills.json and in
# the table of docs/reliability.md. ARGS="-k scheduler" for some of them.
set -euo pipefail
cd -P "$(dirname "${BASH_SOURCE[0]}")/.."

report=.build/drills.xml
mkdir -p .build
rm -f "$report"
code=0
scripts/test.sh -m drill "--junitxml=$report" "$@" || code=$?
if [ -f "$report" ]; then
    .venv/bin/python3 scripts/record_drills.py "$report"
    .venv/bin/python3 scripts/generate_tables.py
fi
exit "$code"
