"""The built images: what they run as, and what is not in them."""

import json
import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STAGES = sorted(path.parent.name for path in ROOT.glob("images/*/stage.toml"))
OWN = [*STAGES, "mailbox", "monitor", "predictor"]

pytestmark = pytest.mark.image


def settings():
    path = ROOT / os.environ.get("ENV_FILE", ".test/.env")
    return dict(line.split("=", 1) for line in path.read_text().splitlines() if "=" in line)


def image(name):
    return f"localhost/ad-click/{name}:{settings()['IMAGE_TAG']}"


def inspect(name):
    return json.loads(subprocess.check_output(["docker", "image", "inspect", image(name)]))[0]


def in_image(name, program):
    """Run a Python program as root in an image; return what it prints."""
    options = ["--rm", "--network=none", "--user=0:0", "--entrypoint=python3"]
    return subprocess.check_output(
        ["docker", "run", *options, image(name), "-c", program], text=True
    )


@pytest.mark.parametrize("name", OWN)
def test_image_runs_as_the_owner_of_the_volume(name):
    user = settings()
    assert inspect(name)["Config"]["User"] == f"{user['PIPELINE_UID']}:{user['PIPELINE_GID']}"


@pytest.mark.parametrize("name", OWN)
def test_image_says_what_it_is_and_of_which_revision(name):
    labels = inspect(name)["Config"]["Labels"]
    assert labels["org.opencontainers.image.title"] == f"ad-click {name}"
    assert labels["org.opencontainers.image.version"] != "unknown"


LEFT_OVERS = """
import os, shutil
from pathlib import Path
for program in ("uv", "pip", "pip3", "node", "npm", "gcc", "cc", "make"):
    if shutil.which(program): print("program", program)
folders = ("/root/.cache", "/tools", "/assets", "/run/secrets", "/var/cache/apt/archives", "/tmp")
for folder in folders:
    for path in Path(folder).glob("*") if Path(folder).exists() else ():
        if path.name not in ("partial", "lock"): print("left", path)
packages = next(Path("/opt/venv").glob("lib/python3*/site-packages"))
for path in packages.rglob("*"):
    if path.suffix in (".pyx", ".h", ".a"): print("source", path)
    if path.name.startswith("test_") and path.suffix == ".py" and "tests" in path.parts:
        print("test", path)
"""


@pytest.mark.parametrize("name", OWN)
def test_image_holds_no_build_tool_cache_secret_or_test_suite(name):
    assert in_image(name, LEFT_OVERS) == ""


def test_monitor_holds_its_translations_compiled():
    program = """
from pathlib import Path
for path in Path("/app/monitor/translations").rglob("*.po"): print(path.with_suffix(".mo").exists())
"""
    assert in_image("monitor", program).split() == ["True"]


UNCOMPILED = """
import importlib.util, os
from pathlib import Path
packages = Path("/opt/venv").glob("lib/python3*/site-packages")
folders = [Path(os.__file__).parent, *packages, Path("/app")]
for folder in folders:
    for path in folder.rglob("*.py"):
        if "site-packages" in path.parts and folder.name != "site-packages": continue
        cached = Path(importlib.util.cache_from_source(str(path)))
        if not cached.exists(): print(path)
"""


@pytest.mark.parametrize("name", [*STAGES, "monitor"])
def test_every_module_has_its_bytecode(name):
    assert in_image(name, UNCOMPILED) == ""


ASSETS = """
import json
from pathlib import Path
vendor = Path("/app/monitor/static/vendor")
for name, files in json.loads(Path("/app/monitor/package.json").read_text())["assets"].items():
    for file in files:
        path = vendor / name / Path(file).name
        if not path.is_file(): print("missing", path)
        if path.suffix in (".css", ".js") and not path.with_name(path.name + ".gz").is_file():
            print("not compressed", path)
for path in [vendor, *vendor.rglob("*")]:
    if path.stat().st_mode & 0o777 != (0o755 if path.is_dir() else 0o644): print("mode", path)
"""


def test_monitor_holds_what_its_pages_load():
    assert in_image("monitor", ASSETS) == ""


def test_stages_share_the_layers_of_what_they_share():
    layers = {stage: inspect(stage)["RootFS"]["Layers"] for stage in STAGES}
    learners = ["separate_data", "build_model", "evaluate_model", "predict"]
    tables = ["load_data", "data_preprocessing", *learners]
    assert len({layers[stage][0] for stage in STAGES}) == 1
    assert len({layers[stage][1] for stage in tables}) == 1
    assert len({layers[stage][2] for stage in learners}) == 1


def test_all_stages_together_are_under_one_gigabyte():
    """That of Spark is not one of those that `make images` builds."""
    sizes = {}
    for stage in [name for name in STAGES if name != "build_model_spark"]:
        history = ["docker", "history", "--human=false", "--format={{.Size}}", image(stage)]
        # Newest first; a step that changes no file has no layer.
        steps = [int(size) for size in subprocess.check_output(history, text=True).split()[::-1]]
        filled = [size for size in steps if size]
        layers = inspect(stage)["RootFS"]["Layers"]
        assert len(filled) == len(layers)
        sizes |= dict(zip(layers, filled, strict=True))
    assert sum(sizes.values()) < 1e9


def test_mailbox_takes_a_mail_and_stops_when_told(tmp_path):
    folder = tmp_path / "mailbox"
    for part in (folder, folder / "new", folder / "cur", folder / "tmp"):
        part.mkdir()
        part.chmod(0o777)
    options = ["--detach", "--network=none", "--read-only", "--cap-drop=ALL", "--tmpfs=/tmp"]
    container = subprocess.check_output(
        ["docker", "run", *options, f"--volume={folder}:/mailbox", image("mailbox")], text=True
    ).strip()
    try:
        send = """
import smtplib, time
for attempt in range(50):
    try: server = smtplib.SMTP("localhost", 1025, timeout=5); break
    except OSError: time.sleep(0.2)
server.sendmail("a@example.com", ["b@example.com"], "Subject: hello\\n\\nbody")
"""
        subprocess.check_call(["docker", "exec", container, "python3", "-c", send])
        [mail] = (folder / "new").iterdir()
        assert b"Subject: hello" in mail.read_bytes()
        subprocess.check_call(["docker", "stop", "--time=60", container], stdout=subprocess.DEVNULL)
        state = json.loads(subprocess.check_output(["docker", "inspect", container]))[0]["State"]
        assert state["ExitCode"] != 137  # ended by itself, not killed
    finally:
        subprocess.run(["docker", "rm", "--force", container], capture_output=True, check=False)
