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
# The contract's network, or the one that a setting chooses: none, or one of the stack's.
network=$(declared "$stage" network)
setting=$(declared "$stage" network_setting)
[ -z "${setting:+${!setting:-}}" ] || network=${!setting}
[ "$network" = none ] || network=${COMPOSE_PROJECT_NAME:-ad-click}_$network
# The settings and secrets that it asks for; docker takes their values from the environment.
environment=()
for name in $(sed -nE 's/^(settings|secrets) = \[(.*)\]$/\2/p' "images/$stage/stage.toml" | tr -d '",'); do
    [ -z "${!name:-}" ] || environment+=(--env "$name")
done
exec docker run "${walls[@]}" "${limits[@]}" --network "$network" "${environment[@]}" \
    --mount "type=bind,source=$volume,target=/shared_volume" "$image" "${@:2}"
