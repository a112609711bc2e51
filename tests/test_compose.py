"""What docker-compose.yaml promises about every service: read from the file, and some tried."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "docker-compose.yaml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
LONG_RUNNING = sorted(set(SERVICES) - {"airflow-init"})
SECRETS = sorted(set(re.findall(r"\$\{(\w*(?:KEY|SECRET|PASSWORD))\b", TEXT)))
# A mail server may ask for none, and the monitor need not.
OPTIONAL_SECRETS = {"SMTP_PASSWORD", "MONITOR_PASSWORD"}
# Made of other settings by scripts/settings.sh.
COMPUTED = {"MONITOR_BIND_ADDRESS"}

each_service = pytest.mark.parametrize("service", sorted(SERVICES))
each_long_running = pytest.mark.parametrize("service", LONG_RUNNING)


def members(network: str) -> set[str]:
    return {name for name, service in SERVICES.items() if network in service["networks"]}


def mounts(service: str) -> dict[str, dict[str, Any]]:
    found = {}
    for volume in SERVICES[service].get("volumes", []):
        if isinstance(volume, str):
            source, target = volume.rsplit(":", 1)
            volume = {"source": source, "target": target}
        found[volume["target"]] = volume
    return found


def users_of(variable: str) -> set[str]:
    return {name for name, service in SERVICES.items() if f"${{{variable}:" in str(service)}


def test_services_are_those_of_the_design():
    assert set(SERVICES) == {
        "postgres",
        "airflow-init",
        "airflow-apiserver",
        "airflow-scheduler",
        "airflow-dag-processor",
        "docker-proxy",
        "mailbox",
        "monitor",
        "predictor",
    }


@each_long_running
def test_long_running_service_is_checked_and_restarted(service: str):
    assert SERVICES[service]["healthcheck"]["test"]
    assert SERVICES[service]["restart"] == "always"  # by an engine that was killed, too


@each_service
def test_service_has_a_memory_limit(service: str):
    assert re.fullmatch(r"\d+[mg]", SERVICES[service]["mem_limit"])
    assert SERVICES[service]["pids_limit"] > 0


@each_service
def test_service_has_no_privileges_and_a_read_only_root(service: str):
    assert SERVICES[service]["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in SERVICES[service]["security_opt"]
    assert SERVICES[service]["read_only"] is True
    assert "privileged" not in SERVICES[service]
    assert "cap_add" not in SERVICES[service]


@each_service
def test_service_logs_are_limited(service: str):
    assert {"max-size", "max-file"} <= set(SERVICES[service]["logging"]["options"])


@each_service
def test_service_starts_after_what_it_needs_is_well(service: str):
    for needed, how in SERVICES[service].get("depends_on", {}).items():
        wanted = "service_healthy" if needed in LONG_RUNNING else "service_completed_successfully"
        assert how["condition"] == wanted


@each_service
def test_own_image_is_tagged_and_never_pulled(service: str):
    image = SERVICES[service]["image"]
    if service == "postgres":
        assert image.startswith("${POSTGRES_IMAGE")
        return
    assert re.fullmatch(r"localhost/ad-click/[a-z-]+:\$\{IMAGE_TAG:-latest\}", image)
    assert SERVICES[service]["pull_policy"] == "never"


@each_service
def test_no_service_but_the_proxy_runs_as_root(service: str):
    is_root = SERVICES[service]["user"].startswith(("0", "root"))
    assert is_root == (service == "docker-proxy")


def test_only_the_proxy_holds_the_socket():
    holders = {name for name in SERVICES if "docker.sock" in str(mounts(name))}
    assert holders == {"docker-proxy"}


def test_only_the_scheduler_reaches_the_proxy():
    assert members("socket") == {"docker-proxy", "airflow-scheduler"}
    assert SERVICES["docker-proxy"]["networks"] == ["socket"]
    assert COMPOSE["networks"]["socket"]["internal"] is True


def test_only_the_scheduler_is_told_of_the_proxy():
    told = {name for name, s in SERVICES.items() if "DOCKER_HOST" in s.get("environment", {})}
    assert told == {"airflow-scheduler"}


def test_database_is_reached_by_airflow_only():
    assert all(name == "postgres" or name.startswith("airflow-") for name in members("database"))
    assert COMPOSE["networks"]["database"]["internal"] is True


def test_monitor_needs_nothing_of_airflow():
    assert members("monitor") == {"monitor"}
    assert "depends_on" not in SERVICES["monitor"]


def test_monitor_reaches_the_api_and_nothing_else_of_airflow():
    assert set(SERVICES["monitor"]["networks"]) == {"live", "monitor", "predictions"}
    assert members("live") == {"airflow-apiserver", "monitor"}
    assert COMPOSE["networks"]["live"]["internal"] is True
    assert SERVICES["monitor"]["environment"]["AIRFLOW_API_URL"] == "http://airflow-apiserver:8080"


def test_predictor_is_reached_by_the_monitor_and_reaches_nothing_else_of_the_stack():
    assert set(SERVICES["predictor"]["networks"]) == {"predictions", "predictor"}
    assert members("predictions") == {"monitor", "predictor"}
    assert members("predictor") == {"predictor"}
    assert COMPOSE["networks"]["predictions"]["internal"] is True
    assert SERVICES["monitor"]["environment"]["PREDICTOR_URL"] == "http://predictor:5002"
    assert "depends_on" not in SERVICES["predictor"]


def test_predictor_is_told_no_secret():
    assert "environment" not in SERVICES["predictor"]


def test_airflow_and_the_monitor_know_the_addresses_that_readers_use():
    airflow = "${AIRFLOW_URL:-http://localhost:${AIRFLOW_PORT:-8080}}"
    monitor = "${MONITOR_URL:-http://localhost:${MONITOR_PORT:-5000}}"
    assert SERVICES["monitor"]["environment"]["AIRFLOW_URL"] == airflow
    assert SERVICES["airflow-apiserver"]["environment"]["MONITOR_URL"] == monitor


def test_monitor_writes_its_index_and_nothing_else():
    writable = {
        target for target, mount in mounts("monitor").items() if not mount.get("read_only", False)
    }
    assert writable == {SERVICES["monitor"]["environment"]["INDEX"]} == {"/index"}
    assert "index" in COMPOSE["volumes"]
    # Without this folder in the image the volume would be root's.
    dockerfile = (ROOT / "images" / "monitor" / "Dockerfile").read_text()
    assert "install -d -m 1777 /index" in dockerfile


def test_ports_are_bound_to_the_address_of_the_settings():
    published = {name: s["ports"] for name, s in SERVICES.items() if "ports" in s}
    assert published == {
        "airflow-apiserver": ["${BIND_ADDRESS:-127.0.0.1}:${AIRFLOW_PORT:-8080}:8080"],
        # So that a plain `docker compose up` never opens a page that has no login.
        "monitor": ["${MONITOR_BIND_ADDRESS:-127.0.0.1}:${MONITOR_PORT:-5000}:5000"],
        # It has no login, so BIND_ADDRESS alone does not open it.
        "predictor": ["${PREDICTOR_BIND_ADDRESS:-127.0.0.1}:${PREDICTOR_PORT:-5002}:5002"],
    }


def test_shared_volume_is_mounted_where_it_is_used_and_no_wider():
    volume = "${SHARED_VOLUME:-./shared_volume}"
    binds = {
        (name, mount["source"], mount["target"], mount.get("read_only", False))
        for name in SERVICES
        for mount in mounts(name).values()
        if mount.get("type") == "bind"
    }
    assert binds == {
        ("airflow-scheduler", volume, "/shared_volume", False),
        ("monitor", volume, "/shared_volume", True),
        ("predictor", volume, "/shared_volume", True),
        ("mailbox", f"{volume}/mailbox", "/mailbox", False),
    }


@each_service
def test_missing_folder_is_an_error_and_not_made(service: str):
    for mount in mounts(service).values():
        if mount.get("type") == "bind":
            assert mount["bind"] == {"create_host_path": False}


def test_scheduler_keeps_the_host_name_by_which_it_finds_itself():
    assert not {"hostname", "container_name"} & set(SERVICES["airflow-scheduler"])


def test_scheduler_sleeps_nowhere_but_in_the_executor_that_is_woken():
    """Without its executor, a sleep of 0 would have it ask the database all the time."""
    shared = COMPOSE["x-airflow-environment"]
    assert shared["AIRFLOW__CORE__EXECUTOR"] == "prompt_executor.PromptExecutor"
    assert shared["AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME"] == 0
    assert (ROOT / "orchestration" / "plugins" / "prompt_executor.py").is_file()


def test_every_setting_is_in_the_example():
    example = (ROOT / ".env.example").read_text()
    texts = [path.read_text() for path in ROOT.glob("docker-compose*.yaml")]
    used = set(re.findall(r"\$\{(\w+)", "\n".join(texts)))
    assert used - set(re.findall(r"^(\w+)=", example, re.MULTILINE)) == COMPUTED


@pytest.mark.parametrize("name", sorted(set(SECRETS) - OPTIONAL_SECRETS))
def test_secret_has_no_default(name: str):
    assert set(re.findall(rf"\$\{{{name}([^}}]*)\}}", TEXT)) == {":?is missing, run make env"}


def test_secret_reaches_only_who_needs_it():
    assert users_of("SMTP_PASSWORD") == {"airflow-scheduler"}
    assert users_of("AIRFLOW_ADMIN_PASSWORD") == {"airflow-init"}
    assert users_of("AIRFLOW_VIEWER_PASSWORD") == {"airflow-init", "airflow-scheduler", "monitor"}
    assert users_of("MONITOR_PASSWORD") == {"monitor"}
    assert users_of("POSTGRES_PASSWORD") == members("database")


@pytest.mark.stack
def test_monitor_keeps_its_index_and_reaches_no_other_service_than_the_api(stack: Any):
    program = """
import os, pathlib, socket
pathlib.Path(os.environ["INDEX"], "test").write_text("")
pathlib.Path(os.environ["INDEX"], "test").unlink()
for host, port in (
    ("airflow-apiserver", 8080), ("postgres", 5432), ("docker-proxy", 2375), ("mailbox", 1025)
):
    try:
        socket.create_connection((host, port), 5).close()
        print(host)
    except OSError:
        pass
"""
    monitor = stack.service("monitor")
    command = ["docker", "exec", monitor, "python3", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["airflow-apiserver"]


@pytest.mark.stack
def test_predictor_answers_the_monitor_and_reaches_no_other_service(stack: Any):
    ask = """
import os, urllib.request
print(urllib.request.urlopen(os.environ["PREDICTOR_URL"] + "/live").status)
"""
    command = ["docker", "exec", stack.service("monitor"), "python3", "-c", ask]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "200"
    program = """
import socket
for host in ("airflow-apiserver", "postgres", "docker-proxy", "mailbox"):
    try:
        print(host, socket.gethostbyname(host))
    except OSError:
        pass
"""
    command = ["docker", "exec", stack.service("predictor"), "python3", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == ""


@pytest.mark.stack
def test_monitor_without_a_password_listens_on_this_machine_only(stack: Any):
    monitor = stack.service("monitor")
    command = ["docker", "port", monitor, "5000"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [f"127.0.0.1:{stack.settings['MONITOR_PORT']}"]
    assert "(no login, reachable from this machine only; MONITOR_PASSWORD in" in stack.started


@each_service
def test_service_shares_nothing_of_the_host_but_what_it_mounts(service: str):
    shared = {"network_mode", "pid", "ipc", "uts", "userns_mode", "cgroup", "cgroup_parent"}
    devices = {"devices", "device_cgroup_rules", "gpus", "group_add", "sysctls", "volumes_from"}
    assert not (shared | devices | {"extends", "env_file"}) & set(SERVICES[service])


@each_service
def test_service_keeps_the_filter_of_the_engine(service: str):
    assert SERVICES[service]["security_opt"] == ["no-new-privileges:true"]


def test_compose_itself_reads_the_walls_as_they_are_written():
    required = re.findall(r"\$\{(\w+):\?", TEXT)
    command = ["docker", "compose", "--file", "docker-compose.yaml", "--env-file", "/dev/null"]
    done = subprocess.run(
        [*command, "config", "--format", "json"],
        cwd=ROOT,
        env={**os.environ, **dict.fromkeys(required, "7")},
        capture_output=True,
        text=True,
        check=True,
    )
    for name, service in json.loads(done.stdout)["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert int(service["mem_limit"]) > 0, name
        assert service["user"] == {"docker-proxy": "0:0", "postgres": "postgres"}.get(name, "7:7")
        assert all(p["host_ip"] == "127.0.0.1" for p in service.get("ports", [])), name
