#!/usr/bin/env bash
# make publish RUN=manual__2026-11-23T...: publishes the model of a finished run, whatever the comparison said of it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/settings.sh
source scripts/container.sh
source scripts/model.sh

[ -n "${RUN:-}" ] || fail 2 "name a finished run of the shared volume: make publish RUN=<run id>"
in_model_summary -- "$RUN"
