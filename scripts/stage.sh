#!/usr/bin/env bash
# make stage STAGE=build_model ARGS="--run-id demo": one stage by hand, as the scheduler runs it, without Airflow.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/settings.sh

stage=${1:-}
contract=images/$stage/stage.toml
if [ -z "$stage" ] || [ ! -f "$contract" ]; then
    fail 2 "there is no stage '$stage': make stage STAGE=... takes one of \
$(cd images && echo */stage.toml | sed 's:/stage.toml::g')"
fi
load_settings "$ENV_FILE"
image=localhost/ad-click/$stage:${IMAGE_TAG:-latest}
docker image inspect "$image" > /dev/null 2>&1 || fail 69 "the image $image is not built, or Docker is not running: \
run 'make images'"
volume=$(cd "${SHARED_VOLUME:-./shared_volume}" && pwd) || fail 66 "there is no folder ${SHARED_VOLUME:-./shared_volume}: \
run 'make env'"

declared() { sed -nE "s/^$1 = \"?([^\"]*)\"?$/\1/p" "$contract"; }

# The contract's network, or the one that a setting chooses: none, or one of the stack's.
network=$(declared network)
setting=$(declared network_setting)
[ -z "${setting:+${!setting:-}}" ] || network=${!setting}
[ "$network" = none ] || network=${COMPOSE_PROJECT_NAME:-ad-click}_$network
# The settings and secrets that it asks for; docker takes their values from the environment.
environment=()
for name in $(sed -nE 's/^(settings|secrets) = \[(.*)\]$/\2/p' "$contract" | tr -d '",'); do
    [ -z "${!name:-}" ] || environment+=(--env "$name")
done
exec docker run --rm --init --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges:true \
    --memory "$(declared memory)" --memory-swap "$(declared memory)" --cpus "$(declared cpus)" \
    --pids-limit "$(declared pids)" --network "$network" --user "$PIPELINE_UID:$PIPELINE_GID" \
    "${environment[@]}" --mount "type=bind,source=$volume,target=/shared_volume" "$image" "${@:2}"
