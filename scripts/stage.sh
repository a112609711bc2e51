#!/usr/bin/env bash
# make stage STAGE=build_model ARGS="--run-id demo": one stage by hand, as the scheduler runs it, without Airflow.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/settings.sh
source scripts/container.sh

stage=${1:-}
if [ -z "$stage" ] || [ ! -f "images/$stage/stage.toml" ]; then
    fail 2 "there is no stage '$stage': make stage STAGE=... takes one of \
$(cd images && echo */stage.toml | sed 's:/stage.toml::g')"
fi
prepare_container "$stage"
read_limits "$stage"
# The contract's network: none, or one of the stack's.
network=$(declared "$stage" network)
[ "$network" = none ] || network=${COMPOSE_PROJECT_NAME:-ad-click}_$network
exec docker run "${walls[@]}" "${limits[@]}" --network "$network" \
    --mount "type=bind,source=$volume,target=/shared_volume" "$image" "${@:2}"
