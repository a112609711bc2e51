#!/usr/bin/env bash
# make run: everything from nothing to a finished pipeline run, followed stage by stage, with its result.
# SOURCE=data/other.csv takes another file of the shared volume, DATASET=name another data contract,
# PARAMETERS='{"max_iter": 500}' any parameter of the trigger form. Exit code 0 for a green run only.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/settings.sh

# Text from the command line becomes JSON here: a quote in a file's name stays part of the name.
json_string() {
    local text=${1//\\/\\\\}
    printf '"%s"' "${text//\"/\\\"}"
}

parameters=${PARAMETERS:-}
if [ -z "$parameters" ]; then
    fields=()
    [ -z "${SOURCE:-}" ] || fields+=("\"source\": $(json_string "$SOURCE")")
    [ -z "${DATASET:-}" ] || fields+=("\"dataset\": $(json_string "$DATASET")")
    parameters="{$(IFS=,; printf '%s' "${fields[*]-}")}"
elif [ -n "${SOURCE:-}${DATASET:-}" ]; then
    fail 2 "PARAMETERS comes instead of SOURCE and DATASET: put them inside as \"source\" and \"dataset\""
fi

scripts/up.sh
source scripts/compose.sh
load_settings "$ENV_FILE"
printf '\n'
options=(--user "$AIRFLOW_ADMIN_USER" --parameters "$parameters")
if [ -t 1 ]; then options+=(--show-password); fi
printf '%s' "$AIRFLOW_ADMIN_PASSWORD" |
    compose exec -T airflow-scheduler python3 run_pipeline.py "${options[@]}"
