"""Smoke tests of the built images: each run as a user would, by `docker run` on a volume."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CHAIN = (
    "start_pipeline",
    "load_data",
    "data_preprocessing",
    "separate_data",
    "build_model",
    "evaluate_model",
    "model_summary",
    "end_pipeline",
)
# Those whose work may be taken over, and which --force has do it all the same.
REUSABLE = ("load_data", "data_preprocessing", "separate_data", "build_model", "evaluate_model")
ALL_STAGES = (*CHAIN[:-1], "trigger_flask_api", CHAIN[-1], "predict")

# What stages import of packages, by the names of the modules; the image holds nothing else.
TABLE = {"numpy", "pyarrow"}
LEARN = TABLE | {"cloudpickle", "joblib", "narwhals", "scipy", "sklearn", "threadpoolctl"}
DRAW = {
    *("PIL", "cycler", "dateutil", "fontTools", "kiwisolver", "matplotlib", "mpl_toolkits"),
    *("packaging", "pyparsing", "six"),
}
FORMATS = {"google", "ml_dtypes", "onnx", "skl2onnx", "skops", "typing_extensions"}
IMPORTS = {
    "start_pipeline": {"fastjsonschema"},
    "load_data": TABLE,
    "data_preprocessing": TABLE,
    "separate_data": LEARN,
    "build_model": LEARN | FORMATS,
    "evaluate_model": LEARN | DRAW,
    "model_summary": set[str](),
    "end_pipeline": {
        *("attr", "certifi", "charset_normalizer", "dateutil", "httpx2", "idna", "openlineage"),
        *("packaging", "requests", "six", "urllib3", "yaml"),
    },
}
# What has a stage import all that it holds.
ASKED = {"end_pipeline": ["--openlineage", "true"]}
# What matplotlib needs for other figures, and its old name; what skops draws a model with,
# onnxruntime reads other files by, and OpenLineage sends events with.
NOT_IMPORTED = {
    *("contourpy", "pylab"),
    *("packaging", "prettytable", "wcwidth"),
    *("flatbuffers", "google"),
    *("_yaml", "anyio", "attrs", "h11", "httpcore2", "truststore", "typing_extensions"),
}
LIST_IMPORTS = """
import contextlib, importlib.metadata, io, json, stage, sys
with contextlib.redirect_stdout(io.StringIO()):
    code = stage.main(sys.argv[1], ["--run-id", "by-hand", *sys.argv[2:]])
files = {name: getattr(module, "__file__", None) or "" for name, module in sys.modules.items()}
imported = {name.partition(".")[0] for name, file in files.items() if "site-packages" in file}
installed = set(importlib.metadata.packages_distributions())
print(json.dumps([code, sorted(imported & installed), sorted(installed - imported)]))
"""

# A model without an ONNX file takes skops, and with it scikit-learn.
READ_SKOPS = "import skops.io, sklearn.pipeline\nimport cont"

# What evaluate_model has another process import.
DRAW_FIGURES = """
import pathlib, numpy
from evaluate_model.drawing import Weights
from evaluate_model.figures import draw_figures
line = numpy.array([0.0, 1.0])
measured = dict(roc_auc=0.5, average_precision=0.5, positive_share=0.5)
measured |= dict(calibration=[dict(predicted=0.5, observed=0.5)], confusion_matrix=[[1, 0], [0, 1]])
draw_figures(roc=(line, line), precision_recall=(line, line), measured=measured,
             weights=Weights("", "", [("a", 1.0)]), folder=pathlib.Path("/tmp/figures"))
import cont"""

pytestmark = pytest.mark.image


class Images:
    """The images of the tests' own tag, and a volume to run them on."""

    def __init__(self, settings: dict[str, str], volume: Path) -> None:
        self.tag = settings["IMAGE_TAG"]
        self.user = (int(settings["PIPELINE_UID"]), int(settings["PIPELINE_GID"]))
        self.volume = volume
        (volume / ".ad-click-volume").touch()
        shutil.copytree(ROOT / "shared_volume" / "data", volume / "data")
        if os.geteuid() == 0:
            for folder in (volume, volume / "data"):
                os.chown(folder, *self.user)

    def run(
        self, word: str, *arguments: str, options: tuple[str, ...] = ()
    ) -> subprocess.CompletedProcess[str]:
        """Run an image as the README says, on the volume."""
        mount = ("--volume", f"{self.volume}:/shared_volume")
        return self.docker(word, *arguments, options=(*mount, *options))

    def docker(
        self, word: str, *arguments: str, options: tuple[str, ...] = ()
    ) -> subprocess.CompletedProcess[str]:
        """Run an image without a volume."""
        image = f"localhost/ad-click/{word}:{self.tag}"
        command = ["docker", "run", "--rm", *options, image, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def inspect(self, word: str) -> dict[str, object]:
        """Return what the engine knows of an image."""
        image = f"localhost/ad-click/{word}:{self.tag}"
        done = subprocess.run(
            ["docker", "image", "inspect", image], capture_output=True, text=True, check=True
        )
        return json.loads(done.stdout)[0]

    def shell(self, word: str, script: str) -> subprocess.CompletedProcess[str]:
        """Run a shell script inside an image."""
        return self.docker(word, "-c", script, options=("--entrypoint", "sh"))


@pytest.fixture(scope="module")
def images(settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Images:
    return Images(settings, tmp_path_factory.mktemp("volume"))


@pytest.fixture(scope="module")
def chain(images: Images) -> dict[str, subprocess.CompletedProcess[str]]:
    """Each stage run once, one after the other, with plain `docker run`."""
    return {stage: images.run(stage, "--run-id", "by-hand") for stage in CHAIN}


@pytest.mark.parametrize("stage", CHAIN)
def test_stage_runs_by_hand_and_ends_in_its_summary(stage, chain) -> None:
    done = chain[stage]
    assert done.returncode == 0, done.stdout
    summary = json.loads(done.stdout.splitlines()[-1])
    assert (summary["stage"], summary["status"]) == (stage, "done")
    assert done.stderr == ""


@pytest.mark.parametrize("stage", CHAIN)
def test_stage_leaves_a_report_of_what_it_made(stage, chain, images) -> None:
    folder = images.volume / "runs" / "by-hand" / stage
    report = json.loads((folder / "report.json").read_text())
    assert report["status"] == "done"
    for entry in report["outputs"]:
        assert (images.volume / entry["path"]).stat().st_size == entry["bytes"]
    assert not (folder / "progress.json").exists()
    assert not list(folder.glob(".*"))


@pytest.mark.parametrize("stage", REUSABLE[:-1])
def test_unchanged_work_is_taken_over_by_plain_docker_run(stage, chain, images) -> None:
    if stage == REUSABLE[0]:
        assert images.run("start_pipeline", "--run-id", "again").returncode == 0
    done = images.run(stage, "--run-id", "again")
    summary = json.loads(done.stdout.splitlines()[-1])
    assert (done.returncode, summary["status"]) == (0, "up to date"), done.stdout
    assert summary["why"] == "nothing has changed since run by-hand, whose outputs are taken over"
    reports = [
        json.loads((images.volume / "runs" / run / stage / "report.json").read_text())
        for run in ("by-hand", "again")
    ]
    for first, second in zip(*(report["outputs"] for report in reports), strict=True):
        assert (images.volume / first["path"]).samefile(images.volume / second["path"])


def test_evaluation_is_taken_over_until_another_model_is_published(chain, images) -> None:
    first, second = (images.run("evaluate_model", "--run-id", "again") for _ in range(2))
    assert (first.returncode, second.returncode) == (0, 0), first.stdout
    told = [json.loads(done.stdout.splitlines()[-1]) for done in (first, second)]
    assert "input model/model_summary.json is new" in told[0]["why"]
    assert [summary["status"] for summary in told] == ["done", "up to date"]


def test_changed_parameter_is_named_by_plain_docker_run(chain, images) -> None:
    done = images.run("build_model", "--run-id", "by-hand", "--max-iter=500")
    assert json.loads(done.stdout.splitlines()[-1])["why"] == "parameter max_iter 1000 > 500"


def test_report_names_the_revision_of_the_image(chain, images) -> None:
    report = json.loads((images.volume / "runs/by-hand/end_pipeline/report.json").read_text())
    config = images.inspect("end_pipeline")["Config"]
    assert report["revision"] == config["Labels"]["org.opencontainers.image.revision"]


def test_the_chain_publishes_its_model(chain, images) -> None:
    summary = json.loads((images.volume / "model" / "model_summary.json").read_text())
    assert (summary["run_id"], summary["published"]) == ("by-hand", True)


@pytest.fixture(scope="module")
def prediction(chain, images) -> dict[str, subprocess.CompletedProcess[str]]:
    """Each stage that predicts, run once by the model that the chain has published."""
    arguments = {"start_pipeline": ("--purpose", "predict")}
    walls = ("--read-only", "--cap-drop=ALL", "--network=none", "--tmpfs=/tmp:noexec")
    return {
        stage: images.run(stage, "--run-id", "new", *arguments.get(stage, ()), options=walls)
        for stage in ("start_pipeline", "load_data", "predict")
    }


def test_rows_are_predicted_by_hand_behind_all_walls(prediction, images) -> None:
    for done in prediction.values():
        assert (done.returncode, done.stderr) == (0, ""), done.stdout
    lines = (images.volume / "runs" / "new" / "predict" / "predictions.csv").read_text()
    assert len(lines.splitlines()) == 1001


def test_predict_holds_no_package_that_it_does_not_need(prediction, images) -> None:
    options = ("--entrypoint", "python3", "--read-only", "--tmpfs", "/tmp")
    script = LIST_IMPORTS.replace('"by-hand"', '"new"').replace("import cont", READ_SKOPS, 1)
    done = images.run("predict", "-c", script, "predict", "--force", options=options)
    code, imported, left = json.loads(done.stdout)
    assert code == 0
    assert set(left) <= NOT_IMPORTED
    assert {"onnxruntime", "skops", "sklearn"} <= set(imported)


def test_files_belong_to_the_pipelines_user(chain, images) -> None:
    owner = (images.volume / "runs" / "by-hand" / "build_model" / "report.json").stat()
    assert (owner.st_uid, owner.st_gid) == images.user


def test_trigger_flask_api_without_a_monitor_says_so(chain, images) -> None:
    done = images.run(
        "trigger_flask_api",
        *("--run-id", "by-hand"),
        options=("--network=none", "--env=MONITOR_URL=http://127.0.0.1:9"),
    )
    error = json.loads(done.stdout.splitlines()[-1])["error"]
    assert done.returncode == error["code"] == 70
    assert "the monitor does not answer at http://127.0.0.1:9" in error["message"]


@pytest.mark.parametrize("stage", ALL_STAGES)
def test_help_explains_the_run_id_and_exits_0(stage, images) -> None:
    done = images.docker(stage, "--help")
    assert done.returncode == 0
    assert "--run-id" in done.stdout


@pytest.mark.parametrize("stage", ALL_STAGES)
def test_unmounted_volume_exits_66_and_says_how_to_mount_it(stage, images) -> None:
    done = images.docker(stage, "--run-id", "x")
    assert done.returncode == 66
    assert "-v" in json.loads(done.stdout.splitlines()[-1])["error"]["message"]


def test_a_mistyped_volume_exits_66(images, tmp_path) -> None:
    options = ("--volume", f"{tmp_path}/shared_volum:/shared_volume")
    done = images.docker("load_data", "--run-id", "x", options=options)
    assert done.returncode == 66


def test_a_read_only_volume_exits_73(images) -> None:
    options = ("--volume", f"{images.volume}:/shared_volume:ro")
    done = images.docker("start_pipeline", "--run-id", "ro", options=options)
    assert done.returncode == 73
    assert "cannot be written" in done.stdout.splitlines()[-2]


def test_a_full_volume_exits_73_and_leaves_no_output(images) -> None:
    options = ("--tmpfs", "/shared_volume:size=96k,mode=1777", "--entrypoint", "sh")
    script = (
        "touch /shared_volume/.ad-click-volume; mkdir /shared_volume/data;"
        "cp /data/advertising.toml /shared_volume/data/;"
        "head -c 60000 /data/advertising.csv > /shared_volume/data/advertising.csv;"
        "head -c 90000 /dev/zero > /shared_volume/fill 2>/dev/null;"
        "python3 /app/stage.py start_pipeline --run-id full; code=$?;"
        "ls -A /shared_volume/runs/full/start_pipeline; exit $code"
    )
    data = ("--volume", f"{images.volume}/data:/data:ro")
    done = images.docker("start_pipeline", "-c", script, options=(*options, *data))
    assert done.returncode == 73, done.stdout + done.stderr
    assert "run.json" not in done.stdout.splitlines()


def test_load_data_drafts_the_contract_of_a_file_on_a_volume_that_it_only_reads(images) -> None:
    walls = ("--read-only", "--cap-drop=ALL", "--network=none", "--entrypoint=python3")
    volume = ("--volume", f"{images.volume}:/shared_volume:ro")
    command = ("-m", "load_data.draft_contract", "data/advertising.csv")
    done = images.docker("load_data", *command, options=(*walls, *volume))
    assert done.returncode == 0, done.stderr
    assert '[columns."Clicked on Ad"]' in done.stdout


def test_walls_do_not_hinder_a_stage(images, chain) -> None:
    walls = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges:true")
    limits = ("--network=none", "--memory=2g", "--pids-limit=128", "--tmpfs=/tmp:noexec")
    done = images.run("evaluate_model", "--run-id", "by-hand", "--force", options=(*walls, *limits))
    assert done.returncode == 0, done.stdout


def test_memory_limit_ends_a_stage_that_needs_more(images, chain) -> None:
    done = images.run(
        *("build_model", "--run-id", "by-hand", "--force"),
        options=("--memory=24m", "--memory-swap=24m"),
    )
    assert done.returncode == 137


@pytest.mark.parametrize("word", [*ALL_STAGES, "monitor", "mailbox", "predictor"])
def test_image_runs_as_nobody_special_and_holds_no_build_tools(word, images) -> None:
    assert images.inspect(word)["Config"]["User"] == f"{images.user[0]}:{images.user[1]}"
    script = "for tool in gcc cc uv pip pip3 git make; do command -v $tool; done; id -u"
    done = images.shell(word, script)
    assert done.stdout.split() == [str(images.user[0])]
    tests = images.shell(word, "find /opt/venv /app -path '*/tests/test_*.py' | head -n 3")
    assert tests.stdout == ""


@pytest.mark.parametrize("word", [*ALL_STAGES, "monitor", "mailbox", "predictor"])
def test_image_keeps_no_cache_and_has_its_bytecode(word, images) -> None:
    script = "find / -xdev -path '*/.cache/*' -type f 2>/dev/null | head -n 3"
    assert images.shell(word, script).stdout == ""
    missing = (
        "for f in $(find /opt/venv /app -name '*.py' -not -path '*/bin/*' 2>/dev/null | head -400);"
        ' do d=$(dirname "$f"); b=$(basename "$f" .py);'
        ' ls "$d"/__pycache__/"$b".*.pyc >/dev/null 2>&1 || echo "$f"; done'
    )
    assert images.shell(word, missing).stdout == ""


@pytest.mark.parametrize(
    "word", [*ALL_STAGES, "monitor", "mailbox", "predictor", "airflow", "docker-proxy", "redis"]
)
def test_image_has_its_labels(word, images) -> None:
    labels = images.inspect(word)["Config"]["Labels"]
    for name in ("title", "version", "revision", "licenses"):
        assert labels[f"org.opencontainers.image.{name}"]


@pytest.mark.parametrize("stage", CHAIN)
def test_stage_imports_and_holds_no_package_that_it_does_not_need(stage, chain, images) -> None:
    options = ("--entrypoint", "python3", "--read-only", "--tmpfs", "/tmp")
    words = ["--force"] if stage in REUSABLE else ASKED.get(stage, [])
    also = DRAW_FIGURES if stage == "evaluate_model" else "import cont"
    script = LIST_IMPORTS.replace("import cont", also, 1)
    done = images.run(stage, "-c", script, stage, *words, options=options)
    code, imported, left = json.loads(done.stdout)
    assert (code, set(imported)) == (0, IMPORTS[stage])
    assert set(left) <= NOT_IMPORTED


def test_events_cost_nothing_where_they_are_not_asked_for(chain, images) -> None:
    options = ("--entrypoint", "python3", "--read-only", "--tmpfs", "/tmp")
    done = images.run("end_pipeline", "-c", LIST_IMPORTS, "end_pipeline", options=options)
    assert json.loads(done.stdout)[:2] == [0, []]


def test_matplotlib_finds_its_list_of_fonts_in_the_image(images) -> None:
    """Without it each container would look through all fonts, which takes half a second."""
    script = "import logging; logging.basicConfig(level=10); import evaluate_model.figures"
    options = ("--entrypoint", "python3", "--read-only", "--tmpfs", "/tmp")
    done = images.docker("evaluate_model", "-c", script, options=options)
    assert done.returncode == 0
    assert "Using fontManager instance from /tmp/matplotlib/fontlist-" in done.stderr


def test_all_stage_images_together_stay_below_800_mb(images) -> None:
    sizes: dict[str, int] = {}
    for stage in ALL_STAGES:
        image = f"localhost/ad-click/{stage}:{images.tag}"
        layers = images.inspect(stage)["RootFS"]["Layers"]
        history = subprocess.run(
            ["docker", "history", "--no-trunc", "--human=false", "--format", "{{.Size}}", image],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        steps = [int(size) for size in reversed(history)]
        # History also lists steps that made no layer; those that made one are all that have a size.
        for layer, size in zip(layers, [s for s in steps if s], strict=False):
            sizes[layer] = max(size, sizes.get(layer, 0))
    assert sum(sizes.values()) < 800_000_000


def test_refused_model_is_published_by_make_and_rolled_back(chain, images, run_make) -> None:
    worse = {
        "build_model": ("--max-iter", "1", "--C", "0.0001"),
        "evaluate_model": ("--min-accuracy", "0"),
    }
    for stage in CHAIN[:-1]:
        done = images.run(stage, "--run-id", "worse", *worse.get(stage, ()))
        assert done.returncode == 0, done.stdout
    assert json.loads(done.stdout.splitlines()[-1])["metrics"]["published"] is False

    def published() -> str:
        summary = json.loads((images.volume / "model" / "model_summary.json").read_text())
        return summary["run_id"]

    volume = {"SHARED_VOLUME": str(images.volume)}
    lines = images.volume / "model" / "history.jsonl"
    before = len(lines.read_text().splitlines())
    assert published() == "by-hand"
    said = run_make("publish", RUN="worse", **volume).stdout
    assert said.startswith("the model of run worse is published, as model/releases/worse~")
    assert published() == "worse"
    said = run_make("rollback", **volume).stdout
    assert said == "rolled back from the model of run worse to that of run by-hand\n"
    assert published() == "by-hand"
    done = run_make("rollback", check=False, **volume)
    assert "Error 66" in done.stderr
    assert "error: no release before the one of run by-hand is kept" in done.stderr
    history = [json.loads(line) for line in lines.read_text().splitlines()]
    assert history[before - 1]["event"] == "refused"
    assert [line["event"] for line in history[before:]] == ["published_by_hand", "rolled_back"]
