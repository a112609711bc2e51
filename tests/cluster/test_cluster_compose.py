"""What the compose files of a cluster promise, as compose itself reads them."""

from __future__ import annotations

import functools
import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
CONTROL = ("docker-compose.yaml", "docker-compose.cluster.yaml")
WORKER = ("docker-compose.worker.yaml",)
TEXT = {name: (ROOT / name).read_text() for name in (*CONTROL[1:], *WORKER)}
ADDED = ["airflow-execution", "airflow-worker", "flower", "redis"]
ON_WORKER = ["airflow-worker", "docker-proxy"]
OWN = [("control", name) for name in ADDED] + [("worker", name) for name in ON_WORKER]
ADDRESS = "192.0.2.7"
WORD = "known-to-nobody"
# What a worker host is told: the queue's password, and the account that reads.
SECRETS_OF_A_WORKER = {"CLUSTER_REDIS_PASSWORD", "AIRFLOW_VIEWER_PASSWORD"}

each_own_service = pytest.mark.parametrize(("host", "service"), OWN)


@functools.cache
def config(host: str) -> dict[str, Any]:
    """What compose makes of the files, with one value for each setting that has no default."""
    files = CONTROL if host == "control" else WORKER
    text = "".join((ROOT / name).read_text() for name in files)
    required = dict.fromkeys(re.findall(r"\$\{(\w+):\?", text), WORD)
    # Paths of Python and Docker; nothing that a caller's own settings could change.
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    settings = {"PIPELINE_UID": "7", "PIPELINE_GID": "7", "CLUSTER_BIND_ADDRESS": ADDRESS}
    command = ["docker", "compose", *(f"--file={name}" for name in files)]
    command += ["--env-file=/dev/null", "--profile=flower", "config", "--format=json"]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=kept | required | settings,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def service_of(host: str, service: str) -> dict[str, Any]:
    found: dict[str, Any] = config(host)["services"][service]
    return found


def environment_of(host: str, service: str) -> dict[str, str]:
    return service_of(host, service)["environment"] or {}


def mounts(host: str, service: str) -> dict[str, dict[str, Any]]:
    return {mount["target"]: mount for mount in service_of(host, service).get("volumes", [])}


def test_cluster_adds_these_services_and_changes_no_other_than_airflows():
    with_cluster = set(config("control")["services"])
    assert set(ADDED) < with_cluster
    _, _, services = TEXT["docker-compose.cluster.yaml"].partition("\nservices:\n")
    changed = set(re.findall(r"^  ([a-z-]+):$", services, re.MULTILINE))
    assert changed - set(ADDED) == {
        "airflow-init",
        "airflow-apiserver",
        "airflow-scheduler",
        "airflow-dag-processor",
    }


def test_worker_host_has_a_worker_and_the_sockets_proxy_alone():
    assert sorted(config("worker")["services"]) == ON_WORKER


@each_own_service
def test_service_has_its_walls(host, service):
    found = service_of(host, service)
    assert found["read_only"] is True
    assert found["cap_drop"] == ["ALL"]
    assert found["security_opt"] == ["no-new-privileges:true"]
    assert found["user"] == ("0:0" if service == "docker-proxy" else "7:7")
    assert not {"privileged", "cap_add", "devices", "network_mode", "pid", "ipc"} & set(found)


@each_own_service
def test_service_is_limited_checked_and_restarted(host, service):
    found = service_of(host, service)
    assert int(found["mem_limit"]) > 0
    assert found["pids_limit"] > 0
    assert found["healthcheck"]["test"]
    assert found["restart"] == "always"
    assert {"max-size", "max-file"} <= set(found["logging"]["options"])


@each_own_service
def test_image_is_the_projects_and_never_pulled(host, service):
    assert service_of(host, service)["image"].startswith("localhost/ad-click/")
    assert service_of(host, service)["pull_policy"] == "never"


def test_ports_are_open_at_the_clusters_address_and_speak_tls():
    opened = {
        (name, port["host_ip"], port["published"])
        for name, found in config("control")["services"].items()
        for port in found.get("ports", [])
        if port["host_ip"] != "127.0.0.1"
    }
    assert opened == {("redis", ADDRESS, "6379"), ("airflow-execution", ADDRESS, "8443")}
    assert {"--ssl-cert=/tls/server.crt", "--ssl-key=/tls/server.key"} <= set(
        service_of("control", "airflow-execution")["command"]
    )


def test_redis_listens_nowhere_without_tls():
    lines = (ROOT / "orchestration" / "redis" / "redis.conf").read_text().splitlines()
    assert {"port 0", "tls-port 6379", "appendonly yes", "appendfsync always"} <= set(lines)
    assert "maxmemory-policy noeviction" in lines


def test_worker_host_opens_no_port():
    assert all("ports" not in found for found in config("worker")["services"].values())


def test_flower_listens_on_this_machine_and_asks_for_a_login():
    (port,) = service_of("control", "flower")["ports"]
    assert port["host_ip"] == "127.0.0.1"
    assert service_of("control", "flower")["profiles"] == ["flower"]
    assert environment_of("control", "flower")["AIRFLOW__CELERY__FLOWER_BASIC_AUTH"] == (
        f"flower:{WORD}"
    )


@pytest.mark.parametrize(
    ("host", "service"),
    [
        ("control", "airflow-scheduler"),
        ("control", "airflow-worker"),
        ("control", "flower"),
        ("worker", "airflow-worker"),
    ],
)
def test_client_of_the_queue_speaks_tls_and_verifies_whom_it_speaks_to(host, service):
    environment = environment_of(host, service)
    assert environment["AIRFLOW__CELERY__BROKER_URL"].startswith("rediss://")
    assert environment["AIRFLOW__CELERY__SSL_ACTIVE"] == "true"
    assert environment["AIRFLOW__CELERY__SSL_CACERT"] == "/tls/ca.crt"
    results = environment["AIRFLOW__CELERY__RESULT_BACKEND"]
    assert results.startswith("rediss://")
    assert "ssl_cert_reqs=required&ssl_ca_certs=/tls/ca.crt&ssl_check_hostname=true" in results
    assert mounts(host, service)["/tls/ca.crt"]["read_only"] is True


@pytest.mark.parametrize("host", ["control", "worker"])
def test_worker_asks_the_api_over_tls(host):
    environment = environment_of(host, "airflow-worker")
    for name in ("AIRFLOW__CORE__EXECUTION_API_SERVER_URL", "AIRFLOW_API"):
        assert environment[name].startswith("https://")
    assert environment["AIRFLOW__API__SSL_CA_FILE"] == environment["AIRFLOW_API_CA"]


@pytest.mark.parametrize("host", ["control", "worker"])
def test_worker_knows_neither_database_nor_keys_nor_the_administrator(host):
    told = str(environment_of(host, "airflow-worker"))
    assert not re.search("PGPASSWORD|SQL_ALCHEMY|FERNET|JWT|SECRET_KEY|ADMIN", told)
    assert "database" not in service_of(host, "airflow-worker")["networks"]


def test_worker_host_is_told_two_secrets():
    secrets = set(re.findall(r"\$\{(\w*(?:KEY|SECRET|PASSWORD))\b", TEXT[WORKER[0]]))
    assert secrets == SECRETS_OF_A_WORKER


@each_own_service
def test_no_secret_is_on_a_command_line(host, service):
    found = service_of(host, service)
    words = [*(found.get("command") or []), *(found.get("entrypoint") or [])]
    words += found["healthcheck"]["test"]
    assert WORD not in str(words)


def test_only_the_two_servers_see_the_certificates_key():
    holders = {name for name in config("control")["services"] if "/tls" in mounts("control", name)}
    assert holders == {"airflow-execution", "redis"}


@pytest.mark.parametrize("host", ["control", "worker"])
def test_worker_reaches_the_proxy_which_has_the_socket_alone(host):
    services = config(host)["services"]
    assert "socket" in services["airflow-worker"]["networks"]
    assert config(host)["networks"]["socket"]["internal"] is True
    holders = {name for name in services if "docker.sock" in str(mounts(host, name))}
    assert holders == {"docker-proxy"}


@pytest.mark.parametrize("host", ["control", "worker"])
def test_worker_keeps_the_host_name_by_which_it_finds_itself(host):
    assert not {"hostname", "container_name"} & set(service_of(host, "airflow-worker"))


@pytest.mark.parametrize("host", ["control", "worker"])
def test_logs_are_written_to_the_shared_volume(host):
    logs, volume = (
        mounts(host, "airflow-worker")[p] for p in ("/opt/airflow/logs", "/shared_volume")
    )
    assert logs["source"] == f"{volume['source']}/logs"
    assert "--skip-serve-logs" in service_of(host, "airflow-worker")["command"]
    if host == "control":
        assert mounts(host, "airflow-apiserver")["/opt/airflow/logs"]["source"] == logs["source"]


def test_control_host_alone_takes_what_needs_the_monitor_or_the_mail_server():
    assert "--queues=small,large,control" in service_of("control", "airflow-worker")["command"]
    assert "--queues=small,large" in service_of("worker", "airflow-worker")["command"]
    assert not re.search("SMTP|TOSEND", str(environment_of("worker", "airflow-worker")))


def test_tasks_tell_often_enough_that_they_are_alive_and_alike_on_all_hosts():
    names = ("MIN_HEARTBEAT_INTERVAL", "MAX_FAILED_HEARTBEATS")
    every, most = (
        {
            int(environment_of(host, "airflow-worker")[f"AIRFLOW__WORKERS__{name}"])
            for host in ("control", "worker")
        }
        for name in names
    )
    scheduler = environment_of("control", "airflow-scheduler")
    lost = int(scheduler["AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT"])
    assert len(every) == len(most) == 1
    # As many as may fail fit into the time, were each tried once.
    assert most.pop() * every.pop() < lost


def test_scheduler_sleeps_between_its_loops():
    environment = environment_of("control", "airflow-scheduler")
    assert environment["AIRFLOW__CORE__EXECUTOR"] == "CeleryExecutor"
    assert float(environment["AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME"]) > 0


def test_both_hosts_have_the_queue_offer_a_lost_task_again_after_the_same_time():
    name = "AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__VISIBILITY_TIMEOUT"
    told = {
        environment_of("control", "airflow-scheduler")[name],
        environment_of("control", "airflow-worker")[name],
        environment_of("worker", "airflow-worker")[name],
    }
    assert told == {"60"}


def test_every_setting_is_in_the_example():
    example = set(re.findall(r"^(\w+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    used = set(re.findall(r"\$\{(\w+)", "".join(TEXT.values())))
    assert used - example == set()
