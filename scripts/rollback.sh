#!/usr/bin/env bash
# make rollback: publishes again what was published before the model in use.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/settings.sh
source scripts/container.sh
source scripts/model.sh

in_model_summary --roll-back
