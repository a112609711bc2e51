"""
### Predicts clicks on advertisements, on data larger than a machine

As ml_pipeline_advertising, but one Spark application does the work from loading to evaluating. Its
image is large and not built by default: `make spark` builds it.

* A run is green when its model is published, or is refused as it is worse than the published one,
  and the mail is sent.
* A run is red when a stage failed. Its mail, its log and its page in the monitor say why.
"""

import os
from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG, Asset, Param, chain

from contracts import fixed_field, form_field, parameters_of, read_contract
from mail_operator import MailOperator
from stage_operator import StageOperator

STAGES = ("start_pipeline", "build_model_spark", "model_summary")
AFTERWARDS = ("trigger_flask_api", "end_pipeline")

PUBLISHED_MODEL = Asset("published_model", uri="file://shared_volume/model")

parameters = {
    name: Param(**form_field(parameter))
    for stage in (*STAGES, *AFTERWARDS)
    for name, parameter in parameters_of(read_contract(stage)).items()
}
PURPOSE = read_contract("start_pipeline")["parameters"]["purpose"]
parameters["purpose"] = Param(**fixed_field(PURPOSE, "train_on_spark"))

with DAG(
    dag_id="ml_pipeline_advertising_spark",
    description="Train, evaluate and publish the model that predicts clicks, with Spark.",
    doc_md=__doc__,
    tags=["ad-click"],
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    params=parameters,
    default_args={"retries": 2, "retry_delay": timedelta(seconds=10)},
    user_defined_macros={
        "stages": ("start_pipeline", "train_on_spark", "model_summary", *AFTERWARDS),
        "airflow_url": os.environ.get("AIRFLOW_URL", ""),
        "monitor_url": os.environ.get("MONITOR_URL", ""),
    },
) as dag:
    start_pipeline = StageOperator(stage="start_pipeline")
    train_on_spark = StageOperator(stage="build_model_spark", task_id="train_on_spark")
    model_summary = StageOperator(stage="model_summary", outlets=[PUBLISHED_MODEL])
    # They also remove what a crash of Airflow left; the first of them runs after a failure too.
    trigger_flask_api = StageOperator(
        stage="trigger_flask_api", trigger_rule="all_done", sweeps=True
    )
    end_pipeline = StageOperator(stage="end_pipeline", sweeps=True)

    success_email = MailOperator(
        task_id="success_email",
        to="{{ var.value.tosend }}",
        subject=(
            "[ad-click] model {{ 'published' if ti.xcom_pull(task_ids='model_summary')['metrics']"
            "['published'] else 'not published' }}: {{ run_id }}"
        ),
        html_content="email/success.html",
        text_content="email/success.txt",
    )
    failure_email = MailOperator(
        task_id="failure_email",
        to="{{ var.value.tosend }}",
        subject="[ad-click] run failed: {{ run_id }}",
        html_content="email/failure.html",
        text_content="email/failure.txt",
        trigger_rule="one_failed",
    )

    chain(start_pipeline, train_on_spark, model_summary, success_email)
    [start_pipeline, train_on_spark, model_summary] >> failure_email
    [success_email, failure_email] >> trigger_flask_api >> end_pipeline
    # With the default rule: a failed run stays failed.
    success_email >> end_pipeline
