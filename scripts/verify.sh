#!/usr/bin/env bash
# make verify: is the chain from the published model (RUN=... for another run's) back to its data whole? Reads the shared
# volume and nothing else. Exit code 0 if it is, 65 if not: one sentence names the file and the stage.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/settings.sh
source scripts/container.sh

prepare_container monitor
run=()
[ -z "${RUN:-}" ] || run=(-- "$RUN")
exec docker run "${walls[@]}" --memory 512m --memory-swap 512m --cpus 2 --pids-limit 64 --network none \
    --mount "type=bind,source=$volume,target=/shared_volume,readonly" --entrypoint python3 "$image" \
    -m monitor.verify "${run[@]}"
