"""What the scripts of a cluster make, and what they refuse: certificates, settings, images."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import ssl
import stat
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STAGES = sorted(path.parent.name for path in ROOT.glob("images/*/stage.toml"))
NAMES = ("CLUSTER_REDIS", "AIRFLOW_VIEWER", "AIRFLOW_ADMIN", "POSTGRES")
# An engine that has every image but $LACKS, and takes and gives archives.
DOCKER = r"""#!/bin/bash
case "$1 $2" in
    "version "*) exit "${ENGINE_CODE:-0}" ;;
    "image inspect") [ "$3" != "localhost/ad-click/${LACKS:-nothing}:latest" ] ;;
    "save "*) shift; echo "$*" ;;
    "load "*) [ -z "$REFUSES" ] || { echo "$REFUSES" >&2; exit 1; } ;;
    *) exit 0 ;;
esac
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """The environment of a control host with settings of its own, and an engine that pretends."""
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "docker").write_text(DOCKER)
    (tools / "docker").chmod(0o755)
    settings = {
        "COMPOSE_PROJECT_NAME": "ad-click",
        "IMAGE_TAG": "latest",
        "PIPELINE_UID": str(os.getuid()),
        "PIPELINE_GID": str(os.getgid()),
        "CLUSTER_BIND_ADDRESS": "192.0.2.7",
        "CLUSTER_CERTIFICATES": str(tmp_path / "certificates"),
        **{f"{name}_PASSWORD": f"{name.lower()}-word" for name in NAMES},
        "SHARED_VOLUME": str(tmp_path / "volume"),
    }
    write(tmp_path / "env", settings)
    kept = {name: os.environ[name] for name in ("HOME", "LANG") if name in os.environ}
    return kept | {"PATH": f"{tools}:{os.environ['PATH']}", "ENV_FILE": str(tmp_path / "env")}


def write(path: Path, settings: dict[str, str]) -> None:
    path.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))


def read(path: Path) -> dict[str, str]:
    lines = path.read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and line[0] != "#")


def run(
    script: str, environment: dict[str, str], *arguments: str, **more: str
) -> subprocess.CompletedProcess[str]:
    command = [f"scripts/{script}.sh", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=environment | more, capture_output=True, text=True, check=False
    )


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def change(environment: dict[str, str], **settings: str) -> None:
    path = Path(environment["ENV_FILE"])
    write(path, read(path) | settings)


def names_of(tls: Path) -> set[tuple[str, str]]:
    """Return the names in the certificate, once its authority has said that it is its own."""
    server, client = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context(cafile=str(tls / "ca.crt"))
    here = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    here.load_cert_chain(tls / "server.crt", tls / "server.key")
    asks = context.wrap_bio(server, client, server_hostname="redis")
    answers = here.wrap_bio(client, server, server_side=True)
    for _ in range(3):
        for side in (asks, answers):
            with contextlib.suppress(ssl.SSLWantReadError):
                side.do_handshake()
    return set(asks.getpeercert()["subjectAltName"])


def test_certificate_has_the_names_of_the_control_host_and_of_its_services(environment, tmp_path):
    change(environment, CLUSTER_CONTROL_HOST="control.example.com")
    done = run("certificates", environment)
    assert done.returncode == 0, done.stderr
    assert names_of(tmp_path / "certificates" / "tls") == {
        ("DNS", "redis"),
        ("DNS", "airflow-execution"),
        ("DNS", "localhost"),
        ("IP Address", "127.0.0.1"),
        ("DNS", "control.example.com"),
    }


def test_address_is_in_the_certificate_as_an_address(environment, tmp_path):
    run("certificates", environment)
    assert ("IP Address", "192.0.2.7") in names_of(tmp_path / "certificates" / "tls")


def test_keys_are_their_owners_alone_and_containers_do_not_see_the_authoritys(
    environment, tmp_path
):
    run("certificates", environment)
    folder = tmp_path / "certificates"
    assert mode(folder / "ca.key") == mode(folder / "tls" / "server.key") == 0o600
    seen = {path.name for path in (folder / "tls").iterdir()}
    assert seen == {"ca.crt", "server.crt", "server.key"}
    assert not list(folder.glob("new.*"))


def test_certificates_are_made_once_and_anew_for_another_name(environment, tmp_path):
    tls = tmp_path / "certificates" / "tls"
    run("certificates", environment)
    first = {path.name: path.read_bytes() for path in tls.iterdir()}
    assert run("certificates", environment).stdout == ""
    assert {path.name: path.read_bytes() for path in tls.iterdir()} == first
    change(environment, CLUSTER_CONTROL_HOST="other.example.com")
    run("certificates", environment)
    assert (tls / "ca.crt").read_bytes() == first["ca.crt"]
    assert ("DNS", "other.example.com") in names_of(tls)


def test_without_openssl_nothing_is_made(environment, tmp_path):
    tools = tmp_path / "few"
    tools.mkdir()
    for name in ("bash", "env", "grep", "tail", "dirname"):
        (tools / name).symlink_to(shutil.which(name) or name)
    done = run("certificates", environment, PATH=str(tools))
    assert done.returncode == 69
    assert "openssl is missing" in done.stderr


def test_worker_is_told_two_secrets_the_authority_and_where_the_control_host_is(
    environment, tmp_path
):
    done = run("worker_settings", environment)
    assert done.returncode == 0, done.stderr
    path = tmp_path / "certificates" / "worker.env"
    assert mode(path) == 0o600
    told = read(path)
    assert told["CLUSTER_CONTROL_HOST"] == "192.0.2.7"
    assert {told[f"{name}_PASSWORD"] for name in NAMES[:2]} == {
        "cluster_redis-word",
        "airflow_viewer-word",
    }
    assert told["CLUSTER_CA"]
    assert "CLUSTER_BIND_ADDRESS" not in told
    assert not {"airflow_admin-word", "postgres-word"} & set(told.values())
    assert "cluster_redis-word" not in done.stdout
    assert "CLUSTER_REDIS_PASSWORD and AIRFLOW_VIEWER_PASSWORD" in done.stdout


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
def test_address_that_no_worker_host_reaches_is_refused(environment, address):
    change(environment, CLUSTER_BIND_ADDRESS=address)
    done = run("worker_settings", environment)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")


def test_images_are_those_of_a_worker_host_and_come_back_whole(environment, tmp_path):
    archive = tmp_path / "images.tar"
    done = run("images_save", environment, str(archive))
    assert done.returncode == 0, done.stderr
    wanted = hashlib.sha256(archive.read_bytes()).hexdigest()
    assert (tmp_path / "images.tar.sha256").read_text() == f"{wanted}  images.tar\n"
    done = run("images_load", environment, str(archive))
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"images: {len(STAGES) + 2} of them are here\n"


def test_image_that_is_not_built_is_named(environment, tmp_path):
    done = run("images_save", environment, str(tmp_path / "images.tar"), LACKS="predict")
    assert done.returncode == 66
    assert "localhost/ad-click/predict:latest" in done.stderr
    assert not (tmp_path / "images.tar").exists()


def test_images_go_without_that_of_spark_where_it_was_not_built(environment, tmp_path):
    archive = tmp_path / "images.tar"
    done = run("images_save", environment, str(archive), LACKS="build_model_spark")
    assert done.returncode == 0, done.stderr
    assert f"saving {len(STAGES) + 1} of them" in done.stdout


def test_path_with_a_blank_that_make_took_apart_is_refused(environment, tmp_path):
    done = run("images_save", environment, str(tmp_path / "a"), "disk/images.tar")
    assert done.returncode == 2
    assert "a path with a blank is written ARGS=" in done.stderr
    assert not (tmp_path / "a").exists()


def test_archive_that_is_not_what_was_saved_is_not_loaded(environment, tmp_path):
    archive = tmp_path / "images.tar"
    run("images_save", environment, str(archive))
    archive.write_bytes(archive.read_bytes()[:-1])
    done = run("images_load", environment, str(archive))
    assert done.returncode == 65
    assert "is not what was saved" in done.stderr


def test_archive_without_its_checksum_is_not_loaded(environment, tmp_path):
    archive = tmp_path / "images.tar"
    archive.touch()
    done = run("images_load", environment, str(archive))
    assert done.returncode == 66
    assert "images.tar.sha256" in done.stderr


@pytest.mark.parametrize(
    ("more", "code", "words"),
    [
        ({"ENGINE_CODE": "1"}, 69, "no Docker engine answers"),
        ({"REFUSES": "no space left on device"}, 70, "no space left on device"),
        ({"LACKS": "airflow"}, 65, "lacks localhost/ad-click/airflow:latest"),
    ],
)
def test_engine_that_does_not_take_the_images_is_said_in_one_sentence(
    environment, tmp_path, more, code, words
):
    archive = tmp_path / "images.tar"
    run("images_save", environment, str(archive))
    done = run("images_load", environment, str(archive), **more)
    assert done.returncode == code
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


def test_missing_archive_is_named_with_who_makes_it(environment, tmp_path):
    done = run("images_load", environment, str(tmp_path / "images.tar"))
    assert done.returncode == 66
    assert "make images-save on the control host makes it" in done.stderr


@pytest.mark.parametrize(
    ("settings", "code", "words"),
    [
        ({"CLUSTER_BIND_ADDRESS": "192.0.2.7"}, 2, "this is the control host"),
        ({"CLUSTER_REDIS_PASSWORD": ""}, 2, "CLUSTER_REDIS_PASSWORD is missing"),
        ({"CLUSTER_CA": ""}, 2, "CLUSTER_CA is missing"),
        ({"WORKER_QUEUES": "small,control"}, 2, "names control"),
        ({"SHARED_VOLUME": "/nowhere"}, 66, "/nowhere is not the shared volume"),
        ({"CLUSTER_CA": "bm90aGluZw=="}, 2, "CLUSTER_CA in"),
    ],
)
def test_worker_does_not_start_without_what_it_needs(environment, tmp_path, settings, code, words):
    run("worker_settings", environment)
    told = read(tmp_path / "certificates" / "worker.env")
    volume = tmp_path / "volume"
    (volume / "logs").mkdir(parents=True)
    (volume / ".ad-click-volume").touch()
    own = {"SHARED_VOLUME": str(volume), "CLUSTER_CERTIFICATES": str(tmp_path / "there")}
    write(Path(environment["ENV_FILE"]), told | own | settings)
    done = run("worker", environment)
    assert done.returncode == code, done.stderr
    assert words in done.stderr
