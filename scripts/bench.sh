#!/usr/bin/env bash
# make bench: measures on the running stack and writes benchmarks/. ARGS="--repeats 9" for more certainty.
set -euo pipefail
cd -P "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/settings.sh

scripts/venv.sh
scripts/up.sh
load_settings "$ENV_FILE"
exec .venv/bin/python3 benchmarks/measure.py "$@"
