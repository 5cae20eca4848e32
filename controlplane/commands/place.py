"""Which cluster a command means: its file, its state directory, its control."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from controlplane.client import Control
    from controlplane.state_dir import StateDir

FILE: Final = "alb.yaml"
STATE_DIR: Final = ".alb"


def add_place_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what every command takes."""
    parser.add_argument(
        "-f",
        "--file",
        default=FILE,
        metavar="FILE",
        help=f"the cluster file (default ./{FILE})",
    )
    parser.add_argument(
        "--state-dir",
        metavar="DIR",
        help="where the cluster keeps its state"
        f" (default {STATE_DIR}/ beside FILE; the demo: a new one)",
    )
    parser.add_argument(
        "--control",
        metavar="ADDRESS",
        help="control, as http://HOST:PORT or a socket's path (default in DIR)",
    )
    parser.add_argument(
        "--output",
        choices=("text", "json"),
        default="text",
        help="how to print (default text)",
    )


@dataclass(frozen=True, slots=True)
class Place:
    """A cluster file and what belongs to it."""

    file: Path
    state_dir: StateDir

    @classmethod
    def of(cls, args: argparse.Namespace) -> Place:
        from controlplane.state_dir import StateDir  # noqa: PLC0415 - lazy

        file = Path(args.file)
        chosen = Path(args.state_dir) if args.state_dir else file.parent / STATE_DIR
        return cls(file, StateDir(chosen.absolute()))

    def submission(self) -> dict[str, object]:
        """Return the file as control takes it, with the variables it names.

        Raises OSError, and ConfigInvalid for what is not text.
        """
        text = self.text()
        return {"file": str(self.file), "text": text, "variables": variables_in(text)}

    def text(self) -> str:
        """Return the file's text. Raises OSError, and ConfigInvalid if it is none."""
        from controlplane.cluster_file import text_of  # noqa: PLC0415 - lazy

        return text_of(str(self.file), self.file.read_bytes())


def variables_in(text: str) -> dict[str, str]:
    """Return those environment variables whose names stand in `text` as ``${NAME``."""
    import os  # noqa: PLC0415 - lazy
    import re  # noqa: PLC0415 - lazy

    names = set(re.findall(r"\$\{([A-Za-z_][A-Za-z0-9_]*)", text))
    return {name: os.environ[name] for name in sorted(names) if name in os.environ}


def control_of(args: argparse.Namespace) -> Control:
    """Return the control that `args` mean. Over TCP it gets the directory's token."""
    from controlplane import client  # noqa: PLC0415 - lazy

    state_dir = Place.of(args).state_dir
    if not args.control:
        return client.Control(client.UnixAddress(state_dir.control_socket))
    try:
        address = client.address_of(args.control)
    except ValueError as error:
        raise client.Unreachable(args.control, str(error)) from error
    if isinstance(address, client.UnixAddress):
        return client.Control(address)
    token = ""
    if state_dir.token.exists():
        token = state_dir.token.read_text(encoding="ascii").strip()
    return client.Control(address, token)
