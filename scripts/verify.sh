#!/usr/bin/env bash
# make verify: is the chain from the published model (RUN=... for another run's) back to its data whole? Reads the shared
# volume and nothing else. Exit code 0 if it is, 65 if not: one sentence names the file and the stage.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/settings.sh

load_settings "$ENV_FILE"
volume=$(cd "${SHARED_VOLUME:-./shared_volume}" 2> /dev/null && pwd -P) ||
    fail 66 "there is no folder ${SHARED_VOLUME:-./shared_volume}: run 'make env'"
image=localhost/ad-click/monitor:${IMAGE_TAG:-latest}
docker image inspect "$image" > /dev/null 2>&1 || fail 69 "the image $image is not built, or Docker is not running: \
run 'make images'"
run=()
[ -z "${RUN:-}" ] || run=(-- "$RUN")
exec docker run --rm --init --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges:true \
    --memory 512m --memory-swap 512m --cpus 2 --pids-limit 64 --network none \
    --user "${PIPELINE_UID:-50000}:${PIPELINE_GID:-50000}" \
    --mount "type=bind,source=$volume,target=/shared_volume,readonly" --entrypoint python3 "$image" \
    -m monitor.verify "${run[@]}"
