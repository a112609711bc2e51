"""Take over what an earlier run has made, where nothing has changed since; else say what has.

What a stage makes follows from its recipe: its code, the packages of its image, its parameters, the
content of its inputs. ``runs/.done/<stage>/<key>`` names the newest run that worked by a recipe,
whose sha256 is the key; ``newest`` beside it keeps the recipe of the newest work of all. Both are
hints and no proof: what they lead to is checked byte by byte before it counts, and one that is
lost, torn or leads nowhere costs no more than doing the work.

Inputs that a stage finds only while it works, such as the data file that ``run.json`` names, are in
no recipe. The earlier report lists them: they must still be there with the same bytes.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import shutil
import sys
from collections.abc import Callable, Set
from pathlib import Path
from typing import Any

from lease import GONE
from stage import (
    FINISHED,
    HERE,
    RUN_ID,
    Contract,
    Gathered,
    Run,
    StageError,
    log,
    read_object,
    to_json,
    versions,
)

STORE = "runs/.done"
NEWEST = "newest"
Recipe = dict[str, Any]


# What a note or a report that another version, or a hand, has written may lead to.
UNREADABLE = (AttributeError, KeyError, TypeError, ValueError)


class NotTakenOverError(Exception):
    """The earlier work can't be taken over; the message is the sentence that says why."""


def recipe_of(run: Run) -> Recipe:
    """Return all that a stage's work follows from; its inputs are checked before."""
    return {
        "code": code_digest(run.contract),
        "dependencies": dependency_digest(),
        "python": platform.python_version(),
        "parameters": run.parameters,
        "inputs": {
            declared: content_digest(run.volume / relative, rules["ignore"])
            if "ignore" in rules
            else run.inputs[relative]["sha256"]
            for declared, rules in run.contract.inputs.items()
            if (relative := run.located(declared)) in run.inputs
        },
    }


def code_digest(contract: Contract) -> str:
    """Return the sha256 of the names and bytes of the files that the stage's image has in /app."""
    folder = HERE / contract.stage
    files = [*HERE.glob("*.py"), HERE / "exit_codes.toml", *folder.rglob("*")]
    digest = hashlib.sha256()
    for file in sorted(files):
        if file.is_file() and "__pycache__" not in file.parts:
            name, content = file.relative_to(HERE).as_posix(), file.read_bytes()
            digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def dependency_digest() -> str:
    """Return the sha256 of the names and versions of the installed packages."""
    found = {p.name for folder in sys.path for p in Path(folder).glob("*.dist-info")}
    return hashlib.sha256("\n".join(sorted(found)).encode()).hexdigest()


def content_digest(path: Path, ignore: list[str]) -> str:
    """Return the sha256 of a JSON object without the keys that do not count."""
    content = read_object(path)
    return digest_of({key: value for key, value in content.items() if key not in ignore})


def parts_of(run: Run) -> dict[str, dict[str, str]]:
    """Return the sha256 of each value of the inputs that are compared by their content."""
    return {
        declared: {
            key: digest_of(value)
            for key, value in read_object(run.volume / relative).items()
            if key not in rules["ignore"]
        }
        for declared, rules in run.contract.inputs.items()
        if "ignore" in rules and (relative := run.located(declared)) in run.inputs
    }


def digest_of(content: Any) -> str:
    """Return the sha256 of a value as JSON, its keys in their order."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def take_over(run: Run) -> Gathered | None:
    """Return earlier outputs by the same recipe, laid out as this run's own, or None.

    ``run.why`` then says what was taken over, or why the work has to be done.
    """
    try:
        run_id, earlier = find(run)
        check_found_inputs(run, run_id, earlier)
        gathered = lay_out(run, run_id, earlier)
        run.metrics, run.taken_from = dict(earlier["metrics"]), run_id
    except NotTakenOverError as reason:
        run.why = str(reason)
        return None
    except UNREADABLE:
        run.why = "what is kept of earlier work cannot be read"
        return None
    run.why = f"nothing has changed since run {run_id}, whose outputs are taken over"
    return gathered


def find(run: Run) -> tuple[str, dict[str, Any]]:
    """Return the newest run that worked by this recipe, and its report."""
    entry = read_object(store(run) / digest_of(run.recipe))
    run_id = str(entry.get("run_id"))
    if not entry or not RUN_ID.fullmatch(run_id):
        raise NotTakenOverError(what_changed(run))
    path = folder_of(run, run_id) / "report.json"
    try:
        text = path.read_bytes()
    except OSError:
        raise NotTakenOverError(f"the report of run {run_id} is gone") from None
    if hashlib.sha256(text).hexdigest() != entry.get("report"):
        raise NotTakenOverError(f"the report of run {run_id} was changed after it ended")
    report = json.loads(text)
    if report["status"] not in FINISHED or report["recipe"] != run.recipe:
        raise NotTakenOverError(f"the report of run {run_id} is of other work")
    return run_id, report


def folder_of(run: Run, run_id: str) -> Path:
    """Return where a run's work by this stage is; this run's own is set aside by now."""
    if run_id == run.run_id:
        return run.former
    return run.volume / "runs" / run_id / run.stage


def check_found_inputs(run: Run, run_id: str, earlier: dict[str, Any]) -> None:
    """See that the inputs that the work found by itself are the same, and note them as read."""
    for entry in earlier["inputs"]:
        relative = in_run(entry["path"], run_id, run.run_id)
        if relative in run.inputs:
            continue
        try:
            run.add_input(relative)
        except StageError as error:
            raise NotTakenOverError(str(error)) from None
        if run.inputs[relative]["sha256"] != entry["sha256"]:
            del run.inputs[relative]
            raise NotTakenOverError(f"input {relative} changed")


def in_run(path: str, former: str, now: str) -> str:
    """Return a path on the volume as it is in another run."""
    place = f"runs/{former}/"
    return f"runs/{now}/{path.removeprefix(place)}" if path.startswith(place) else path


def lay_out(run: Run, run_id: str, earlier: dict[str, Any]) -> Gathered:
    """Link an earlier run's outputs into the scratch folder; each must be as it was reported."""
    assert run.scratch, "outputs are laid out while the stage works"
    place = f"runs/{run_id}/{run.stage}/"
    made = {entry["path"].removeprefix(place): entry for entry in earlier["outputs"]}
    try:
        for name in made:
            if ".." in Path(name).parts:
                raise KeyError(name)
            link(folder_of(run, run_id) / name, run.output(name))
        gathered = run.gather()
        for entry in (entry for files in gathered.values() for entry in files):
            if entry != made[entry["path"]] | {"path": entry["path"]}:
                raise NotTakenOverError(
                    f"{place}{entry['path']} was changed after it was made, so it is made again"
                )
    except (FileNotFoundError, StageError):
        clear(run.scratch)
        raise NotTakenOverError(f"outputs of run {run_id} are gone") from None
    except (NotTakenOverError, *UNREADABLE):
        clear(run.scratch)
        raise
    return gathered


def link(source: Path, target: Path) -> None:
    """Give a file a second name, or copy it where the volume can't do that."""
    if source.is_symlink() or not source.is_file():
        raise FileNotFoundError(source)
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno in GONE:  # such as a run that another host removes at this moment
            raise FileNotFoundError(source) from None
        shutil.copyfile(source, target)


def clear(folder: Path) -> None:
    """Remove all that is in a folder."""
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def what_changed(run: Run) -> str:
    """Return what differs from the newest work of this stage, in words."""
    newest = read_object(store(run) / NEWEST)
    if not newest:
        return f"no earlier work of {run.stage} is known on this volume"
    old, new = newest["recipe"], run.recipe
    changes = []
    if old["code"] != new["code"]:
        changes.append("the code changed")
    if old["python"] != new["python"]:
        changes.append(f"Python {old['python']} > {new['python']}")
    if old["dependencies"] != new["dependencies"]:
        installed = versions(run.contract.packages)
        found = differences("package", newest["versions"], installed, leave_out={"python"})
        changes += found or ["the installed packages changed"]
    changes += differences("parameter", old["parameters"], new["parameters"])
    changes += changed_inputs(newest, new["inputs"], parts_of(run))
    return "; ".join(changes) or f"the outputs of run {newest['run_id']} are gone"


def differences(
    kind: str,
    old: dict[str, Any],
    new: dict[str, Any],
    leave_out: Set[str] = frozenset(),
) -> list[str]:
    """Return each value that differs: ``parameter max_iter 1000 > 500``."""
    return [
        f"{kind} {name} {shown(old.get(name))} > {shown(new.get(name))}"
        for name in sorted((old.keys() | new.keys()) - leave_out)
        if old.get(name) != new.get(name)
    ]


def shown(value: Any) -> str:
    """Return a value as a person would write it; one that is not there is ``none``."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if value != "" else "empty"


def changed_inputs(
    newest: dict[str, Any], inputs: dict[str, str], parts: dict[str, dict[str, str]]
) -> list[str]:
    """Return each input that differs; of one that is compared by its content, in which keys."""
    old, changes = newest["recipe"]["inputs"], []
    for declared in sorted(old.keys() | inputs.keys()):
        name = declared.removeprefix("runs/{run_id}/")
        if declared not in inputs:
            changes.append(f"input {name} is gone")
        elif declared not in old:
            changes.append(f"input {name} is new")
        elif old[declared] != inputs[declared]:
            before, now = newest["parts"].get(declared, {}), parts.get(declared, {})
            keys = sorted(k for k in before.keys() | now.keys() if before.get(k) != now.get(k))
            changes.append(f"input {name} changed" + (f" ({', '.join(keys)})" if keys else ""))
    return changes


def store(run: Run) -> Path:
    """Return the folder of what is known of this stage's work."""
    return run.path(f"{STORE}/{run.stage}")


def remember(run: Run, report: dict[str, Any]) -> None:
    """Note that this run did the work that its report, which is on the volume, tells of.

    A stage has done its work by then: that it can't be noted is no failure.
    """
    entry = {
        "run_id": run.run_id,
        "report": hashlib.sha256(to_json(report).encode()).hexdigest(),
    }
    newest = {
        "run_id": run.run_id,
        "recipe": run.recipe,
        "versions": report["versions"],
        "parts": parts_of(run),
    }
    # In the run's own folder: another run may note the same at this moment.
    written = run.folder / ".report.json.note"
    try:
        folder = store(run)
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in ((digest_of(run.recipe), entry), (NEWEST, newest)):
            written.write_text(to_json(content), encoding="utf-8")
            written.replace(folder / name)
    except (OSError, StageError) as error:
        log.warning("later runs will not know of this work: %s", error)
        written.unlink(missing_ok=True)


def forget(run: Run) -> None:
    """Drop the note of this run's own former work, which is about to be replaced."""
    recipe = read_object(run.former / "report.json").get("recipe")
    with contextlib.suppress(OSError, StageError):
        drop(store(run) / digest_of(recipe), lambda run_id: run_id == run.run_id)


def forget_removed(volume: Path) -> None:
    """Drop the notes of runs that are on the volume no more."""
    for entry in (volume / STORE).glob("*/*"):
        if entry.name != NEWEST:
            with contextlib.suppress(OSError):
                drop(entry, lambda run_id: not (volume / "runs" / run_id).is_dir())


def drop(entry: Path, rule: Callable[[str], bool]) -> None:
    """Remove a note if the run that it names meets the rule."""
    if rule(str(read_object(entry).get("run_id", "."))):
        entry.unlink(missing_ok=True)
