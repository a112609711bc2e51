#!/usr/bin/env bash
# make airflow ARGS="dags list": a command of Airflow's own command line, in the scheduler's container.
set -euo pipefail
cd -P "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/settings.sh
source scripts/compose.sh
load_settings "$ENV_FILE"
require_stack_settings

# Drawing DAGs is the one thing that graphviz is for; each command warns that it is not installed.
options=(--env PYTHONWARNINGS=ignore)
if ! [ -t 0 ] || ! [ -t 1 ]; then options+=(--no-TTY); fi
compose exec "${options[@]}" airflow-scheduler airflow "$@"
