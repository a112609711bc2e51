#!/usr/bin/env bash
# make soak: an hour of runs while parts of the stack are killed at random; SOAK_MINUTES and SOAK_SEED change that.
set -euo pipefail
exec "$(dirname "${BASH_SOURCE[0]}")/test.sh" tests/soak.py -s "$@"
