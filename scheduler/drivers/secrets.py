"""What a container is told from files: variables, secrets, credentials. Floor 3.

Read when it starts, on the machine of control, and kept nowhere: neither records
nor the API ever have a secret's value. Where AWS names its own stores, the file
names ``file://PATH``; relative paths begin at the cluster file's directory.

Source: ECS developer guide, "Pass environment variables", for the form of files.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from scheduler.definition import ContainerDefinition
from scheduler.errors import CannotStart
from scheduler.ports import ContainerSpec

SCHEME: Final = "file://"
SIZE_MAX: Final = 1 << 20
FAILED: Final = "ResourceInitializationError"


def environment_of(spec: ContainerSpec, directory: Path, host: str) -> dict[str, str]:
    """Return all variables of a container. Raises CannotStart.

    Files count least, the definition's own variables more, secrets most.
    """
    own = {name for name, _ in spec.definition.environment}
    found = dict(spec.environment)
    for where in spec.definition.environment_files:
        text = _read(where, directory, host, spec.name)
        found |= {key: value for key, value in variables(text) if key not in own}
    for name, where in spec.definition.secrets:
        found[name] = _value(_read(where, directory, host, spec.name))
    return found


def log_secrets_of(spec: ContainerSpec, directory: Path, host: str) -> dict[str, str]:
    """Return the secret options of its log driver. Raises CannotStart."""
    logs = spec.definition.log_configuration
    return {
        name: _value(_read(where, directory, host, spec.name))
        for name, where in (logs.secret_options if logs else ())
    }


def credentials_of(
    container: ContainerDefinition, directory: Path, host: str
) -> dict[str, str] | None:
    """Return user and password for the image's registry; None: as the CLI has them.

    Raises CannotStart.
    """
    where = container.repository_credentials
    if not where:
        return None
    try:
        told = json.loads(_read(where, directory, host, container.name))
        return {key: str(told[key]) for key in ("username", "password")}
    except (ValueError, TypeError, KeyError) as wrong:
        detail = f"{FAILED}: {where}: no JSON with username and password"
        raise CannotStart(host, f"start {container.name}", detail) from wrong


def variables(text: str) -> Iterator[tuple[str, str]]:
    """Yield the variables of a file: VARIABLE=VALUE, no quotes, no substitution."""
    for line in text.splitlines():
        name, separator, value = line.partition("=")
        if separator and name.strip() and not line.startswith("#"):
            yield name.strip(), value


def _value(text: str) -> str:
    """Return a secret without the line's end that editors put behind it."""
    return text.removesuffix("\n").removesuffix("\r")


def _read(where: str, directory: Path, host: str, whose: str) -> str:
    try:
        with (directory / where.removeprefix(SCHEME)).open("rb") as file:
            return file.read(SIZE_MAX).decode()
    except (OSError, ValueError) as failed:
        why = failed.strerror if isinstance(failed, OSError) else "not UTF-8"
        detail = f"{FAILED}: {where}: {why}"
        raise CannotStart(host, f"start {whose}", detail) from failed
