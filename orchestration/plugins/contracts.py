"""The stages' contracts, as the orchestration reads them."""

import functools
import os
import tomllib
from pathlib import Path
from typing import Any

# What every stage that takes over unchanged work can be told besides its contract's parameters.
FORCE = {
    "type": "boolean",
    "default": False,
    "help": "do all work again, also where nothing has changed since an earlier run did it",
}
# The queues that workers of a cluster take tasks of; without one the scheduler runs all of them.
QUEUES = ("small", "large", "gpu", "control")
IMAGES = Path(os.environ.get("AD_CLICK_IMAGES", "/opt/airflow/images"))


def read_contract(stage: str) -> dict[str, Any]:
    """Return the content of a stage's ``stage.toml``."""
    return read_toml(IMAGES / stage / "stage.toml")


def read_exit_codes() -> dict[int, dict[str, Any]]:
    """Return the error contract: for each exit code ``cause``, ``retried`` and ``advice``."""
    content = read_toml(IMAGES / "exit_codes.toml")
    return {int(code): entry for code, entry in content.items()}


@functools.cache
def read_toml(path: Path) -> dict[str, Any]:
    """Return the content of a file of the image, which does not change; nor may what is returned.

    Each task's process reads the DAG file, which asks for each contract twice.
    """
    return tomllib.loads(path.read_text(encoding="utf-8"))


def image_name(word: str) -> str:
    """Return the full name of one of the project's images, with this stack's tag."""
    return f"localhost/ad-click/{word}:{os.environ.get('IMAGE_TAG', 'latest')}"


def network_name(network: str) -> str:
    """Return the name of this stack's network, or ``none``, which Docker knows itself."""
    if network == "none":
        return network
    return f"{project_name()}_{network}"


def network_of(contract: dict[str, Any]) -> str:
    """Return the name of the network that a stage's container joins.

    The setting that its contract names under ``network_setting`` may choose another one.
    """
    chosen = os.environ.get(contract.get("network_setting", ""))
    return network_name(chosen or contract.get("network", "none"))


def settings_of(contract: dict[str, Any]) -> dict[str, str]:
    """Return the settings and secrets of .env that a stage's container gets; empty ones are not."""
    names = (*contract.get("settings", ()), *contract.get("secrets", ()))
    return {name: value for name in names if (value := os.environ.get(name))}


def project_name() -> str:
    """Return the name of this stack, which its networks start with and containers are labelled."""
    return os.environ.get("COMPOSE_PROJECT_NAME", "ad-click")


def queue_of(stage: str, contract: dict[str, Any]) -> str:
    """Return the queue in which the tasks of a stage wait for a worker.

    Raises:
        ValueError: its contract names none, or one that no worker knows.
    """
    queue = contract["resources"].get("queue")
    if queue not in QUEUES:
        raise ValueError(
            f"[resources] queue in images/{stage}/stage.toml is {queue!r}: "
            f"it must be one of {', '.join(QUEUES)}"
        )
    return str(queue)


def parameters_of(contract: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return what the trigger form asks for a stage, by name."""
    force = {"force": FORCE} if contract.get("reusable") else {}
    return {**contract.get("parameters", {}), **force}


def command_line(contract: dict[str, Any]) -> list[str]:
    """Return a stage's command line as templates: each parameter comes from the trigger form.

    An option and its value are one word, so that a value may start with a dash.
    """
    words = ["--run-id={{ run_id }}"]
    for name, parameter in parameters_of(contract).items():
        # The form gives None for a field that may be empty and is.
        value = f"params.{name} or ''" if parameter["default"] == "" else f"params.{name}"
        words.append(f"--{name.replace('_', '-')}={{{{ {value} }}}}")
    return words


def fixed_field(parameter: dict[str, Any], value: Any) -> dict[str, Any]:
    """Return the arguments of a ``Param`` that is always this value; no form shows it."""
    return {**form_field(parameter), "default": value, "const": value}


def form_field(parameter: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of the ``Param`` that asks for a parameter in the trigger form."""
    field: dict[str, Any] = {"default": parameter["default"], "description": parameter["help"]}
    field["type"] = parameter["type"] if parameter["default"] != "" else ["null", "string"]
    spelling = {"exclusive_minimum": "exclusiveMinimum", "exclusive_maximum": "exclusiveMaximum"}
    for limit in ("minimum", "maximum", "exclusive_minimum", "exclusive_maximum", "enum"):
        if limit in parameter:
            field[spelling.get(limit, limit)] = parameter[limit]
    if "pattern" in parameter:
        # Not `$`, which Python also finds before a last line's end, nor `\Z`, which browsers lack.
        field["pattern"] = f"^(?:{parameter['pattern']})(?![\\s\\S])"
    return field
