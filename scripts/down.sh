#!/usr/bin/env bash
# make down: stops the stack and removes its containers and networks. The shared volume and the database stay;
# VOLUMES=1 removes the database, and with it Airflow's history and logs.
set -euo pipefail
cd -P "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/settings.sh
source scripts/compose.sh
load_settings "$ENV_FILE"
require_stack_settings

# The scheduler first, so that nothing starts another stage; then the stages, which hold on to the networks.
compose stop airflow-scheduler ${CLUSTER_BIND_ADDRESS:+airflow-worker} > /dev/null 2>&1 || true
stage_containers --all --quiet | xargs --no-run-if-empty docker rm --force --volumes > /dev/null
options=(--remove-orphans)
if [ -n "${VOLUMES:-}" ] && [ "$VOLUMES" != 0 ]; then options+=(--volumes); fi
answer=$(compose down "${options[@]}" 2>&1) || fail 1 "the services could not be taken down: ${answer##*$'\n'}"
say "services: down; what runs made stays in $SHARED_VOLUME"
