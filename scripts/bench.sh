#!/usr/bin/env bash
# make bench: measures and writes benchmarks/. ARGS="pipeline" measures on the running stack, ARGS="monitor" the
# monitor's image alone; without a name both. ARGS="monitor --repeats 9" for more certainty. ARGS="waterfall" shows
# where the time of a run goes, ARGS="idle" what the stack costs while nothing runs.
set -euo pipefail
cd -P "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/settings.sh

what=both
case ${1:-} in
    pipeline | monitor)
        what=$1
        shift
        ;;
esac

scripts/venv.sh
case ${1:-} in
    waterfall | idle)
        scripts/up.sh
        load_settings "$ENV_FILE"
        exec .venv/bin/python3 "benchmarks/$1.py" "${@:2}"
        ;;
esac
if [ "$what" != monitor ]; then
    scripts/up.sh
    load_settings "$ENV_FILE"
    .venv/bin/python3 benchmarks/measure.py "$@"
fi
if [ "$what" != pipeline ]; then
    scripts/env.sh
    load_settings "$ENV_FILE"
    image=localhost/ad-click/monitor:${IMAGE_TAG:-latest}
    docker image inspect "$image" > /dev/null 2>&1 || fail 69 "the image $image is not built, or Docker is not \
running: run 'make images'"
    .venv/bin/python3 benchmarks/measure_monitor.py "$@"
fi
