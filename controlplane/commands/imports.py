"""`alb import`: a cluster file made of what others wrote, and what is not in it."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from controlplane.commands.terminal import complain, say, say_json

if TYPE_CHECKING:
    from controlplane.imports import Imported, Surroundings
    from controlplane.imports.section import Section

FAILED: Final = 1
USAGE: Final = 2
STDOUT: Final = "<output>"

DESCRIPTION: Final = """\
write a cluster file made of what others wrote

  compose         services, ports, volumes, health checks of Compose files (several
                  are laid one over the other, as docker compose -f does), with the
                  Traefik labels in them
  taskdef         what `aws ecs describe-task-definition` prints, or what
                  `register-task-definition --cli-input-json` reads
  traefik-labels  routers of a Compose file, of `docker inspect`, of labels alone or
                  of Traefik's own files, as listeners with prioritised rules

What cannot be carried over is told on standard error, one line each with file, line,
column and why, and as comments in the file, which `alb validate` accepts.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kind", choices=("compose", "taskdef", "traefik-labels"))
    parser.add_argument("files", nargs="+", metavar="FILE", help="what to import")
    parser.add_argument(
        "-o", dest="into", metavar="FILE", help="write here, not to standard output"
    )
    parser.add_argument(
        "--force", action="store_true", help="with -o: replace a file that is there"
    )
    parser.add_argument(
        "--profile",
        action="append",
        default=[],
        metavar="NAME",
        help="compose: a profile that is on; may be repeated",
    )
    parser.add_argument(
        "--entry-point",
        action="append",
        default=[],
        metavar="NAME=PORT",
        help="traefik: the port of an entry point that no file tells; may be repeated",
    )


def main(args: argparse.Namespace) -> int:
    entry_points = _ports(args.entry_point)
    if entry_points is None:
        complain("alb: --entry-point takes NAME=PORT, such as web=8080")
        return USAGE
    into = Path(args.into) if args.into else None
    if into and into.exists() and not args.force:
        complain(f"alb: {into} is there already; --force replaces it")
        return FAILED
    done = _imported(args, entry_points, into)
    if into:
        into.write_text(done.text, encoding="utf-8")
    if args.output == "json":
        _say_as_json(done)
    else:
        if into is None:
            say(done.text.removesuffix("\n"))
        _tell(done, str(into or STDOUT))
    return FAILED if done.problems else 0


def _ports(words: list[str]) -> dict[str, int] | None:
    pairs = [word.lower().partition("=") for word in words]
    if any(not name or not port.isdigit() for name, _, port in pairs):
        return None
    return {name: int(port) for name, _, port in pairs}


def _imported(
    args: argparse.Namespace, entry_points: dict[str, int], into: Path | None
) -> Imported:
    """Read, import, and take out what the validator refuses. Raises OSError, …"""
    from controlplane.cluster_file import text_of  # noqa: PLC0415 - lazy
    from controlplane.imports import Surroundings, accepted  # noqa: PLC0415 - lazy
    from controlplane.tls.disk import LocalDisk  # noqa: PLC0415 - lazy

    files = [(name, text_of(name, Path(name).read_bytes())) for name in args.files]
    directory = Path(args.files[0]).absolute().parent
    around = Surroundings(
        variables=dict(os.environ),
        directory=str(directory),
        home=str(Path.home()),
        profiles=frozenset(args.profile) | _profiles(),
        entry_points=entry_points,
        text_of=lambda name: _text_beside(directory, name),
    )
    root = _read(args.kind, files, around)
    shown = ", ".join(Path(name).name for name in args.files)
    heading = (f"Imported from {shown} (alb import {args.kind}).",)
    disk = LocalDisk(into.absolute().parent if into else Path.cwd())
    return accepted(root, heading, around.variables, disk)


def _read(kind: str, files: list[tuple[str, str]], around: Surroundings) -> Section:
    """Run one importer; only that one is imported."""
    match kind:
        case "compose":
            from controlplane.imports.compose.importer import (  # noqa: PLC0415 - lazy
                import_compose,
            )

            return import_compose(files, around)
        case "taskdef":
            from controlplane.imports.taskdef import (  # noqa: PLC0415 - lazy
                import_taskdef,
            )

            return import_taskdef(files)
        case _:
            from controlplane.imports.traefik.importer import (  # noqa: PLC0415 - lazy
                import_traefik,
            )

            return import_traefik(files, around)


def _profiles() -> frozenset[str]:
    names = os.environ.get("COMPOSE_PROFILES", "").split(",")
    return frozenset(filter(None, names))


def _text_beside(directory: Path, name: str) -> str | None:
    """Return the text of a file that a file names; None: it cannot be read."""
    try:
        return (directory / name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def _tell(done: Imported, name: str) -> None:
    for loss in done.losses:
        complain(str(loss))
    for variable in done.needs:
        complain(f"{name}: needs the variable {variable}, which is not set")
    for problem in (*done.problems, *done.warnings):
        complain(problem.at(name))
    lost = len(done.losses)
    verdict = "alb validate refuses it" if done.problems else "alb validate accepts it"
    complain(f"{name}: {verdict}; {lost} thing(s) not carried over")


def _say_as_json(done: Imported) -> None:
    say_json(
        {
            "clusterFile": done.text,
            "notCarriedOver": [
                {
                    "file": loss.place.file,
                    "line": loss.place.line,
                    "column": loss.place.column,
                    "path": loss.place.path,
                    "why": loss.why,
                }
                for loss in done.losses
            ],
            "needs": list(done.needs),
            "warnings": [problem.at("") for problem in done.warnings],
            "problems": [problem.at("") for problem in done.problems],
        }
    )
