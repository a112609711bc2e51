#!/usr/bin/env bash
# make bench: measures and writes benchmarks/. Without a name all, in the quick sizes; `--full`, first, is make
# bench-full: all, in the large ones. ARGS="monitor" measures one case, ARGS="monitor --repeats 9" with more certainty.
#   pipeline       the DAG beside the plain containers, on the running stack
#   monitor        the monitor's image alone
#   predictor      the predictor's image alone, beside MLflow's scoring server
#   data           the stages on large files, beside polars and pandas, in containers of their own
#   orchestrators  the same containers by other orchestrators, beside the running stack
#   waterfall      where the time of a run goes, on the running stack
#   spark          five million rows by Spark, beside the stages that it stands for
#   cluster        tasks of a cluster with one engine and with two, in a stack of its own; needs root
#   idle           what the running stack costs while nothing runs
#   limits         the rates of the parts that a run passes, and several runs at once, on the running stack; then
#                  the simulation
#   simulation     more runs and hosts by those rates; measures nothing; writes docs/scaling.md, too
set -euo pipefail
cd -P "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/settings.sh

full=false
if [ "${1:-}" = --full ]; then
    full=true
    shift
fi
quick_cases=(pipeline waterfall idle limits quick_monitor data)
full_cases=(pipeline waterfall idle limits monitor predictor data orchestrators)

measure_pipeline() {
    need_stack
    .venv/bin/python3 benchmarks/measure.py "$@"
}

measure_monitor() {
    need_image monitor
    .venv/bin/python3 benchmarks/measure_monitor.py "$@"
}

measure_predictor() {
    need_image predictor
    .venv/bin/python3 benchmarks/measure_predictor.py "$@"
}

measure_data() {
    need_image load_data
    if $full; then
        .venv/bin/python3 benchmarks/data.py --rows 1000000,10000000 "$@"
    else
        .venv/bin/python3 benchmarks/data.py --rows 250000,1000000 --repeats 1 --name data_quick "$@"
    fi
}

measure_orchestrators() {
    need_stack
    .venv/bin/python3 benchmarks/orchestrators.py "$@"
}

measure_waterfall() {
    need_stack
    .venv/bin/python3 benchmarks/waterfall.py "$@"
}

measure_idle() {
    need_stack
    .venv/bin/python3 benchmarks/idle.py "$@"
}

measure_cluster() {
    need_image airflow
    .venv/bin/python3 benchmarks/cluster.py "$@"
}

measure_spark() {
    need_image build_model_spark
    .venv/bin/python3 benchmarks/measure_spark.py "$@"
    .venv/bin/python3 scripts/generate_tables.py
}

measure_limits() {
    need_stack
    .venv/bin/python3 benchmarks/limits.py "$@"
    case " $* " in *" --dry "*) ;; *) measure_simulation ;; esac
}

measure_simulation() {
    .venv/bin/python3 benchmarks/simulation.py "$@"
    .venv/bin/python3 scripts/generate_tables.py
}

need_stack() {
    scripts/up.sh
    load_settings "$ENV_FILE"
}

need_image() {
    scripts/env.sh
    load_settings "$ENV_FILE"
    image=localhost/ad-click/$1:${IMAGE_TAG:-latest}
    docker image inspect "$image" > /dev/null 2>&1 || fail 69 "the image $image is not built, or Docker is not \
running: run 'make images'"
}

# Of a short history the monitor's figures are printed, and those of the long one stay.
measure_quick_monitor() {
    measure_monitor --runs 1000 --repeats 1 --seconds 20 --live-seconds 10 --only monitor --dry "$@"
}

cases=("${quick_cases[@]}")
if $full; then cases=("${full_cases[@]}"); fi
if [ $# -gt 0 ] && declare -F "measure_$1" > /dev/null; then
    cases=("$1")
    shift
fi

scripts/venv.sh
# What this command was told is not meant for those that a case runs.
unset MAKEFLAGS MFLAGS MAKELEVEL ARGS
for case in "${cases[@]}"; do "measure_$case" "$@"; done
