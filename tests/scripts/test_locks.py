"""The locks: complete, hashed, and of one version everywhere."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ALL = ROOT / "requirements.txt"
LOCKS = [
    *ROOT.glob("images/*.txt"),
    *ROOT.glob("images/*/requirements.txt"),
    ROOT / "images/build_model_spark/setuptools.txt",
    ROOT / "orchestration/requirements.txt",
    ROOT / "scripts/uv.txt",
]
# Half a gigabyte that wants Java: in the image of Spark, and in no environment for tests and tools.
SPARK = {"pyspark", "py4j", "setuptools"}
STAGES = sorted(path.parent.name for path in ROOT.glob("images/*/stage.toml"))


def versions(lock):
    return dict(re.findall(r"^([\w.-]+)(?:\[[^]]*\])?==(\S+)", lock.read_text(), re.MULTILINE))


def name(lock):
    return str(lock.relative_to(ROOT))


@pytest.mark.parametrize("lock", [ALL, *LOCKS], ids=name)
def test_every_package_has_a_hash(lock):
    requirement = re.compile(r"^[\w.-]+\S*==.*?(?=^[\w.#-]|\Z)", re.MULTILINE | re.DOTALL)
    for text in requirement.findall(lock.read_text()):
        assert "--hash=sha256:" in text, text


@pytest.mark.parametrize("lock", LOCKS, ids=name)
def test_every_version_is_the_one_of_the_whole(lock):
    spark = SPARK if lock.parent.name == "build_model_spark" else set()
    assert {
        (name, version) for name, version in versions(lock).items() if name not in spark
    } <= versions(ALL).items()


@pytest.mark.parametrize("lock", [ALL, *LOCKS], ids=name)
def test_lock_names_no_index_and_no_path_of_a_machine(lock):
    assert not re.search(r"https?://|file:|--index|--find-links|(?<!\S)/", lock.read_text())


@pytest.mark.parametrize("stage", STAGES)
def test_shared_layers_hold_nothing_that_the_stage_lacks(stage):
    dockerfile = (ROOT / f"images/{stage}/Dockerfile").read_text()
    own = versions(ROOT / f"images/{stage}/requirements.txt")
    for layer in re.findall(r"source=images/(\w+\.txt)", dockerfile):
        assert versions(ROOT / "images" / layer).items() <= own.items()


# What the image of Spark has more: Java, PySpark's own way to be installed, and the code of the
# stages that it stands for.
OF_SPARK = (
    r"RUN --mount=type=secret,id=ca mkdir .*\n(?: &&.*\n)* && rm .*",
    r"    --mount=source=(?:images/STAGE|scripts)/\S+,target=/tmp/(?!lock)\S+ \\",
    r"    UV_CONFIG_FILE=.*",
    r"ENV SPARK_CONF_DIR=.*",
    r"COPY images/STAGE/\w+/ /opt/spark/\w+/",
    r"COPY images/(?:load_data|data_preprocessing|separate_data|build_model|evaluate_model)/.*",
    r"RUN echo .* >> /etc/passwd .*",
)


@pytest.mark.parametrize("stage", STAGES)
def test_dockerfiles_of_stages_differ_in_their_name_shared_layers_and_own_data_only(stage):
    def common(name):
        text = (ROOT / f"images/{name}/Dockerfile").read_text()
        text = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)
        text = re.sub(
            r"^RUN [^\n]*\n[^\n]*source=images/\w+\.txt.*?lock\.txt\n",
            "",
            text,
            flags=re.MULTILINE | re.DOTALL,
        )
        text = text.replace(name, "STAGE")
        for spark in OF_SPARK:
            text = re.sub(rf"^{spark}\n", "", text, flags=re.MULTILINE)
        own = (
            r"COPY images/STAGE/[\w.]+\.json /app/STAGE/|COPY images/(batches|model_file)\.py /app/"
        )
        fonts = r"ENV FONT_LIST=.*|RUN MPLCONFIGDIR=\$FONT_LIST .*"
        return re.sub(rf"^({own}|{fonts})\n", "", text, flags=re.MULTILINE)

    trimmed = " && python3 /tmp/trim_spark.py && rm /tmp/uv-*.lock"
    assert common(stage).replace(trimmed, "") == common("end_pipeline")


def test_stages_that_read_or_write_a_model_have_what_it_is_read_by():
    for stage in STAGES:
        dockerfile = (ROOT / f"images/{stage}/Dockerfile").read_text()
        copied = re.findall(r"^COPY (images/\w+/\*\.py) ", dockerfile, re.MULTILINE)
        code = [path.read_text() for pattern in copied for path in ROOT.glob(pattern)]
        imports = any("from model_file import" in text for text in code)
        assert ("COPY images/model_file.py /app/" in dockerfile) == imports, stage


def test_stages_with_tables_have_what_tables_are_read_by():
    for stage in STAGES:
        text = (ROOT / f"images/{stage}/Dockerfile").read_text()
        imports = any(
            re.search(r"^from batches import", path.read_text(), re.MULTILINE)
            for path in (ROOT / "images" / stage).glob("*.py")
        )
        assert ("COPY images/batches.py /app/" in text) == imports, stage
