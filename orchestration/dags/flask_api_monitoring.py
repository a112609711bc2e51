"""
### Watches the monitor

Asks the monitor's `/health` every 15 minutes and after each published model, and sends a mail when
it does not answer well.
"""

import os
from datetime import UTC, datetime, timedelta

from airflow.providers.docker.operators.docker import DockerOperator
from airflow.sdk import DAG, Asset, AssetOrTimeSchedule, CronTriggerTimetable

from contracts import image_name, network_name, project_name
from mail_operator import MailOperator

with DAG(
    dag_id="flask_api_monitoring",
    description="Check that the monitor answers; mail when it does not.",
    doc_md=__doc__,
    tags=["ad-click"],
    schedule=AssetOrTimeSchedule(
        timetable=CronTriggerTimetable("*/15 * * * *", timezone="UTC"),
        assets=[Asset("published_model", uri="file://shared_volume/model")],
    ),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    user_defined_macros={
        "airflow_url": os.environ.get("AIRFLOW_URL", ""),
        "monitor_url": os.environ.get("MONITOR_URL", ""),
    },
) as dag:
    probe_monitor = DockerOperator(
        task_id="probe_monitor",
        queue="control",  # the monitor's host
        image=image_name("monitor"),
        entrypoint=["python3", "/app/monitor/probe.py"],
        command=["http://monitor:5000/health"],
        network_mode=network_name("monitor"),
        mem_limit="128m",
        auto_remove="force",
        # The sweep of the pipeline knows by them what a crash of Airflow left.
        labels={
            "ad-click.project": project_name(),
            "ad-click.dag": "flask_api_monitoring",
            "ad-click.task": "probe_monitor",
        },
        mount_tmp_dir=False,
        retries=2,
        retry_delay=timedelta(seconds=10),
        execution_timeout=timedelta(minutes=2),
    )
    failure_email = MailOperator(
        task_id="failure_email",
        to="{{ var.value.tosend }}",
        subject="[ad-click] the monitor does not answer",
        html_content="email/monitor_down.html",
        text_content="email/monitor_down.txt",
        trigger_rule="one_failed",
    )

    probe_monitor >> failure_email
