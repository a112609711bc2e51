#!/usr/bin/env bash
# make logs: the services' last lines; ARGS="--follow airflow-scheduler" takes what docker compose logs takes.
set -euo pipefail
cd -P "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/settings.sh
source scripts/compose.sh
load_settings "$ENV_FILE"
require_stack_settings

service_logs --tail 100 "$@"
