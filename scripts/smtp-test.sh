#!/usr/bin/env bash
# make smtp-test: sends a mail through the server that .env names and says what the server answered.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/settings.sh
source scripts/compose.sh
load_settings "$ENV_FILE"
require_stack_settings

# A container of its own, so that a changed .env counts without a restart of the services.
compose run --rm --no-deps -T --entrypoint python3 airflow-scheduler smtp_test.py
