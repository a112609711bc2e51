"""`make env`: settings and shared volume."""

import base64
import os
import re
import stat
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SECRETS = (
    "AIRFLOW_ADMIN_PASSWORD",
    "AIRFLOW_FERNET_KEY",
    "AIRFLOW_JWT_SECRET",
    "AIRFLOW_SECRET_KEY",
    "AIRFLOW_VIEWER_PASSWORD",
    "POSTGRES_PASSWORD",
)


@pytest.fixture
def place(tmp_path):
    """A folder with a space in its path, for the settings file and the volume."""
    folder = tmp_path / "a place"
    folder.mkdir()
    return folder


def make_env(place, **settings):
    environment = {
        "PATH": os.environ["PATH"],
        "ENV_FILE": str(place / ".env"),
        "SHARED_VOLUME": str(place / "volume"),
        **settings,
    }
    command = [ROOT / "scripts/env.sh"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def read(place):
    return dict(re.findall(r"^([A-Z_]+)=(.*)$", (place / ".env").read_text(), re.MULTILINE))


def test_secrets_are_generated_and_private(place):
    assert make_env(place).returncode == 0
    settings = read(place)
    assert all(settings[name] for name in SECRETS)
    assert len({settings[name] for name in SECRETS}) == len(SECRETS)
    assert stat.S_IMODE((place / ".env").stat().st_mode) == 0o600


def test_secrets_have_the_form_that_airflow_asks_for(place):
    make_env(place)
    settings = read(place)
    assert len(base64.urlsafe_b64decode(settings["AIRFLOW_FERNET_KEY"])) == 32
    assert len(settings["AIRFLOW_JWT_SECRET"].encode()) >= 64


def test_two_installations_share_no_secret(place):
    make_env(place)
    first = read(place)
    (place / ".env").unlink()
    make_env(place)
    assert all(first[name] != value for name, value in read(place).items() if name in SECRETS)


def test_monitor_has_no_password_by_itself(place):
    make_env(place)
    assert read(place)["MONITOR_PASSWORD"] == ""


def test_second_call_changes_nothing(place):
    make_env(place)
    before = (place / ".env").read_bytes()
    assert "complete" in make_env(place).stdout
    assert (place / ".env").read_bytes() == before


def test_values_and_emptied_settings_are_kept_and_missing_ones_added(place):
    settings = "# mine\nMAIL_TO=\nPOSTGRES_PASSWORD=old\nMINE=1\n"
    (place / ".env").write_text(settings)
    assert make_env(place).returncode == 0
    assert (place / ".env").read_text().startswith(settings)
    assert read(place).keys() == {*example_names(), "MINE"}
    assert read(place)["MAIL_TO"] == ""


def test_environment_gives_a_new_file_its_values(place):
    make_env(place, AIRFLOW_PORT="18080")
    assert read(place)["AIRFLOW_PORT"] == "18080"
    make_env(place, AIRFLOW_PORT="28080")
    assert read(place)["AIRFLOW_PORT"] == "18080"


def test_no_temporary_file_stays(place):
    make_env(place)
    assert sorted(path.name for path in place.iterdir()) == [".env", "volume"]


def test_new_volume_has_its_marker_data_and_folders(place):
    make_env(place)
    volume = place / "volume"
    for name in (".ad-click-volume", "data/advertising.csv", "runs", "model", "mailbox/new"):
        assert (volume / name).exists(), name


def test_folders_belong_to_the_user_of_the_containers(place):
    make_env(place)
    owner = (place / "volume/runs").stat().st_uid
    assert str(owner) == read(place)["PIPELINE_UID"]
    assert owner != 0


def test_foreign_folder_is_refused_as_a_volume(place):
    (place / "volume/photos").mkdir(parents=True)
    result = make_env(place)
    assert result.returncode == 73
    assert "SHARED_VOLUME" in result.stderr
    assert [path.name for path in (place / "volume").iterdir()] == ["photos"]


def example_names():
    return re.findall(r"^([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)


def test_example_explains_every_setting():
    lines = (ROOT / ".env.example").read_text().splitlines()
    for number, line in enumerate(lines):
        if "=" in line and not line.startswith("#"):
            assert lines[number - 1], f"line {number + 1} of .env.example has no comment above it"


def test_example_knows_every_setting_that_is_used():
    used = set()
    for path in [ROOT / "docker-compose.yaml", ROOT / "docker-bake.hcl"]:
        used |= set(re.findall(r"\$\{([A-Z_]+)", path.read_text()))
    for name in re.findall(r'^variable "(\w+)"', (ROOT / "docker-bake.hcl").read_text(), re.M):
        used.add(name)
    computed = {"VERSION", "REVISION", "SOURCE_URL", "MONITOR_BIND_ADDRESS"}
    assert used - computed <= set(example_names())
