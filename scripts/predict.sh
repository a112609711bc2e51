#!/usr/bin/env bash
# make predict SOURCE=data/new.csv: the clicks of a new file by the published model, without Airflow. DATASET=name takes
# another data contract than that of advertising.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/settings.sh
[ -n "${SOURCE:-}" ] || fail 2 "which file? make predict SOURCE=data/new.csv, a path on the shared volume"

run=predict-$(date -u +%Y-%m-%dT%H-%M-%SZ)
data=("--source=$SOURCE" "--dataset=${DATASET:-advertising}")
# What a stage prints is also its last line, compact JSON; its sentence of refusal stands before that.
scripts/stage.sh start_pipeline --run-id "$run" --purpose predict "${data[@]}"
scripts/stage.sh load_data --run-id "$run" "${data[@]}"
scripts/stage.sh predict --run-id "$run"

load_settings "$ENV_FILE"
say "predictions: ${SHARED_VOLUME:-./shared_volume}/runs/$run/predict/predictions.csv, and .parquet beside it"
