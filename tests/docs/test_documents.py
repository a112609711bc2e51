"""The documents agree with the tree: tables, settings, targets, links."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from tests.docs.documents import ROOT, TEXT

ALL = "\n".join(TEXT.values())
EXAMPLE = (ROOT / ".env.example").read_text()
SETTINGS = re.findall(r"^(\w+)=", EXAMPLE, re.MULTILINE)
TARGETS = re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE)
LINKS = [
    (name, target)
    for name, text in TEXT.items()
    for target in re.findall(r"\]\(([^)]+)\)", text)
    if "://" not in target
]


def anchors(text: str) -> set[str]:
    """Return the anchors that GitHub makes of a document's headings."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in headings}


def test_tables_of_the_readme_are_current() -> None:
    command = [sys.executable, "scripts/generate_tables.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("setting", SETTINGS)
def test_setting_is_explained(setting: str) -> None:
    assert re.search(rf"\b{setting}\b", ALL)


@pytest.mark.parametrize("target", TARGETS)
def test_make_target_is_explained(target: str) -> None:
    assert re.search(rf"\bmake {target}\b", ALL)


def test_no_document_names_a_make_target_that_is_not_there() -> None:
    named = set(re.findall(r"(?:`|^|\n)(?:\w+=\S+ )?make ([a-z-]+)", ALL))
    assert named - set(TARGETS) == set()


@pytest.mark.parametrize(("name", "target"), LINKS)
def test_link_leads_somewhere(name: str, target: str) -> None:
    path, _, anchor = target.partition("#")
    file = (ROOT / name).parent / path if path else ROOT / name
    assert file.exists()
    if anchor:
        assert anchor in anchors(file.read_text())


def test_no_setting_of_the_example_is_unused() -> None:
    files = [*ROOT.glob("docker-compose*.yaml"), ROOT / "docker-bake.hcl"]
    files += sorted((ROOT / "scripts").rglob("*.sh"))
    used = "\n".join(file.read_text() for file in files)
    assert [name for name in SETTINGS if not re.search(rf"\b{name}\b", used)] == []


def test_picture_is_below_200_kb() -> None:
    for picture in (ROOT / "docs" / "images").iterdir():
        assert picture.stat().st_size < 200_000
