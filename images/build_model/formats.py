"""Write the model in formats that are safe to read: no code runs when they are.

Both libraries are slow to import, so that they are only when the model is fitted.
"""

import json
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

from sklearn.pipeline import Pipeline

from build_model.encode import without_functions
from model_file import FORMATS, PROBABILITIES, ROWS, TRUSTED, first_line
from stage import log

# What a ZIP archive says of a file that was written at no time: its first year.
NO_TIME = (1980, 1, 1, 0, 0, 0)
SCHEMA = "schema.json"  # of a skops file


class NoSuchFormatError(Exception):
    """A model cannot be written in a format; the message is a sentence that says why."""


def write_formats(
    model: Pipeline, features: list[str], output: Callable[[str], Path]
) -> tuple[list[str], dict[str, str]]:
    """Write the model in each format that it has.

    ``output`` gives the path of an output by its name. Returns the formats that were written,
    ``pickle`` first, which the caller writes, and of each other one why it was not.
    """
    written, missing = ["pickle"], {}
    for name, make in (("skops", to_skops), ("onnx", to_onnx)):
        try:
            content = make(model, features)
        except NoSuchFormatError as reason:
            missing[name] = str(reason)
            log.warning("no %s file is written: %s", name, reason)
        else:
            output(FORMATS[name]).write_bytes(content)
            written.append(name)
    return written, missing


def to_skops(model: Pipeline, _: list[str]) -> bytes:
    """Return a skops file, the same bytes for the same model."""
    import skops.io

    try:
        content = skops.io.dumps(without_functions(model))
        strange = sorted(set(skops.io.get_untrusted_types(data=content)) - set(TRUSTED))
    except Exception as error:  # whatever a library cannot write must not cost the model
        raise NoSuchFormatError(f"skops cannot write this model: {first_line(error)}") from None
    if strange:
        raise NoSuchFormatError(
            f"the model holds {', '.join(strange)}, which may do anything when it is read"
        )
    return repeatable(content)


def repeatable(archive: bytes) -> bytes:
    """Return a skops file that holds the same, without what differs each time one is written.

    That is when it was, and where each object stood in memory, which skops tells them apart by and
    names the files of arrays by. Here they are numbered.
    """
    numbers: dict[str, str] = {}

    def renumber(node: dict[str, Any]) -> dict[str, Any]:
        if node.get("is_json"):  # two texts or numbers that are equal may be one object or two
            node.pop("__id__", None)
        if isinstance(number := node.get("__id__"), int):
            node["__id__"] = int(numbers.setdefault(str(number), str(len(numbers) + 1)))
        if isinstance(name := node.get("file"), str):
            node["file"] = rename(name)
        return node

    def rename(name: str) -> str:
        stem, dot, suffix = name.partition(".")
        return numbers.setdefault(stem, str(len(numbers) + 1)) + dot + suffix

    made = BytesIO()
    with zipfile.ZipFile(BytesIO(archive)) as old, zipfile.ZipFile(made, "w") as new:
        schema = json.loads(old.read(SCHEMA), object_hook=renumber)
        files = {rename(name): old.read(name) for name in old.namelist() if name != SCHEMA}
        files[SCHEMA] = json.dumps(schema, indent=2).encode()
        for name, content in files.items():
            new.writestr(zipfile.ZipInfo(name, NO_TIME), content)
    return made.getvalue()


def to_onnx(model: Pipeline, features: list[str]) -> bytes:
    """Return an ONNX graph that takes and gives 64-bit floats, as scikit-learn reckons with.

    Its one input has the features in the order that its metadata names.
    """
    import onnx
    import skl2onnx
    from skl2onnx.common.data_types import DoubleTensorType

    if "scale" not in model.named_steps:
        raise NoSuchFormatError(
            "the graph takes numbers that are always there, and the model also takes others"
        )
    try:
        graph = skl2onnx.to_onnx(
            model,
            initial_types=[(ROWS, DoubleTensorType([None, len(features)]))],
            options={"zipmap": False},
        )
    except Exception as error:
        raise NoSuchFormatError(f"skl2onnx cannot convert it: {first_line(error)}") from None
    assert PROBABILITIES in [output.name for output in graph.graph.output]
    onnx.helper.set_model_props(graph, {"features": json.dumps(features)})
    # skl2onnx lists them in the order of a set of words, another one in each process
    graph.opset_import.sort(key=lambda opset: opset.domain)
    content: bytes = graph.SerializeToString(deterministic=True)
    return content
