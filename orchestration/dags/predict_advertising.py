"""
### Predicts the clicks of a new file

Scores a CSV or Parquet file on the shared volume with the published model. The file is held to its
data contract as one to train on is, but it needs no target.

* The predictions are in `runs/<run>/predict/`: `predictions.csv` and `predictions.parquet`.
* A run is red when a stage failed. Its mail, its log and its page in the monitor say why.
"""

import os
from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG, Param, chain

from contracts import fixed_field, form_field, parameters_of, read_contract
from mail_operator import MailOperator
from stage_operator import StageOperator

STAGES = ("start_pipeline", "load_data", "predict")

parameters = {
    name: Param(**form_field(parameter))
    for stage in STAGES
    for name, parameter in parameters_of(read_contract(stage)).items()
}
PURPOSE = read_contract("start_pipeline")["parameters"]["purpose"]
parameters["purpose"] = Param(**fixed_field(PURPOSE, "predict"))

with DAG(
    dag_id="predict_advertising",
    description="Predict the clicks of a new file with the published model.",
    doc_md=__doc__,
    tags=["ad-click"],
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    params=parameters,
    default_args={"retries": 2, "retry_delay": timedelta(seconds=10)},
    user_defined_macros={
        "stages": STAGES,
        "airflow_url": os.environ.get("AIRFLOW_URL", ""),
        "monitor_url": os.environ.get("MONITOR_URL", ""),
    },
) as dag:
    stages = [StageOperator(stage=stage, sweeps=stage == STAGES[-1]) for stage in STAGES]
    failure_email = MailOperator(
        task_id="failure_email",
        to="{{ var.value.tosend }}",
        subject="[ad-click] prediction failed: {{ run_id }}",
        html_content="email/failure.html",
        text_content="email/failure.txt",
        trigger_rule="one_failed",
    )

    chain(*stages)
    stages >> failure_email
