"""The command line: `alb COMMAND`. Finds the command, runs it, says what failed.

Commands live in `controlplane.commands`, one module each with `add_arguments`
and `main`; only the one asked for is imported, so that help and `status` are
there at once.

Exit status: 0 done, 1 failed, 2 usage or an invalid file.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Final

from controlplane.commands.place import add_place_arguments
from controlplane.commands.terminal import complain

FAILED: Final = 1
USAGE: Final = 2
BAD_REQUEST: Final = 400
INTERRUPTED: Final = 130
"""As shells count it: 128 and the number of SIGINT."""

_GC_THRESHOLD: Final = 50_000
"""Imports make no garbage worth looking for: a tenth of a short command's time."""

COMMANDS: Final = {
    "up": "start the cluster of a file, or change the running one to it",
    "down": "stop everything: drain, stop and remove what runs",
    "status": "listeners, services, tasks, targets and alarms now",
    "validate": "check a file and say every problem in it",
    "plan": "what apply would change",
    "apply": "change the running cluster to a file",
    "scale": "set desired counts: scale SERVICE=N",
    "scaling": "suspend or resume what scales a service, and what was scaled",
    "weight": "set weights of a forward: weight LISTENER[/RULE] GROUP=N",
    "run": "run tasks once, of no service: run FAMILY [-- COMMAND]",
    "exec": "run a command in a task: exec TASK -- COMMAND",
    "protect": "keep tasks from scale-in and deployments for a while",
    "instances": "container instances, what they have and what is left",
    "drain": "have container instances take no tasks: theirs move elsewhere",
    "activate": "have container instances take tasks again",
    "deploy": "start a new deployment of a service",
    "wait": "until services are stable or gone, tasks run or have stopped",
    "deployments": "what became of a service's deployments",
    "rollback": "go back to what a service's deployment completed before",
    "upgrade": "go on as the program that is installed now, without a pause",
    "logs": "what a service's tasks write",
    "alarms": "every alarm, its state and why",
    "alarm": "one alarm with its history; set its state; enable or disable its actions",
    "events": "what happened, with reasons",
    "metrics": "what is measured, and its recent values",
    "explain": "which rule answers a request, or why a service scaled",
    "import": "a cluster file of Compose, task definitions or Traefik's labels",
    "certs": "certificates for development: where the authority is, and issue some",
    "load": "send requests in an open loop and report percentiles",
    "demo": "watch tasks follow load",
    "doctor": "check this machine and say what to do",
    "schema": "the cluster file as a JSON Schema",
    "version": "the version",
}

_MODULES: Final = {"import": "imports"}
"""Modules that cannot be called as their command is: Python has the word."""

EPILOG: Final = "exit status: 0 done, 1 failed, 2 usage or an invalid file"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    gc.set_threshold(_GC_THRESHOLD)
    try:
        return _run(sys.argv[1:] if argv is None else list(argv))
    except SystemExit as stopped:
        return stopped.code if isinstance(stopped.code, int) else FAILED
    except BrokenPipeError:
        sys.stderr.close()
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED


def _run(argv: list[str]) -> int:
    before, name, rest = _split(argv)
    if name is None:
        _overview().parse_args(before)
        _overview().print_help(sys.stderr)
        return USAGE
    if name not in COMMANDS:
        _overview().error(_unknown(name))
    module = module_of(name)
    return _guarded(module.main, _arguments(name, module, before + rest))


def module_of(command: str) -> ModuleType:
    """Import the module of one command."""
    name = _MODULES.get(command, command)
    return importlib.import_module(f"controlplane.commands.{name}")


def _split(argv: list[str]) -> tuple[list[str], str | None, list[str]]:
    """Return the words before the command, the command, and the words after it."""
    takes_value = {"-f", "--file", "--state-dir", "--control", "--output"}
    skip = False
    for position, word in enumerate(argv):
        if skip or word.startswith("-"):
            skip = not skip and word in takes_value
            continue
        return argv[:position], word, argv[position + 1 :]
    return argv, None, []


def _overview() -> argparse.ArgumentParser:
    width = max(map(len, COMMANDS))
    lines = [f"  {name.ljust(width)}  {text}" for name, text in COMMANDS.items()]
    parser = argparse.ArgumentParser(
        prog="alb",
        usage="alb COMMAND [options]",
        description="commands (alb COMMAND --help says more):\n" + "\n".join(lines),
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=_version())
    add_place_arguments(parser)
    return parser


def _arguments(name: str, module: ModuleType, words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=f"alb {name}",
        description=getattr(module, "DESCRIPTION", COMMANDS[name]),
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_place_arguments(parser)
    module.add_arguments(parser)
    if not hasattr(module, "COMMAND_AFTER") or "--" not in words:
        return parser.parse_args(words)
    at = words.index("--")  # argparse leaves no words behind options to a list
    args = parser.parse_args(words[:at])
    setattr(args, module.COMMAND_AFTER, words[at + 1 :])
    return args


def _guarded(run: Callable[[argparse.Namespace], int], args: argparse.Namespace) -> int:
    """Run a command; turn what it could not do into words and a status."""
    try:
        return run(args)
    except _expected() as error:
        status = _told(error)
        if args.output == "json":
            _told_as_json(error)
        return status


def _expected() -> tuple[type[Exception], ...]:
    """Return what commands raise on purpose; imported only when one did."""
    from controlplane.client import ClientError  # noqa: PLC0415 - lazy
    from controlplane.problems import ConfigInvalid  # noqa: PLC0415 - lazy

    files = (FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError)
    return (ConfigInvalid, ClientError, *files)


def _told(error: Exception) -> int:
    """Say what went wrong, and return its exit status."""
    from controlplane.client import Refused, Unreachable  # noqa: PLC0415 - lazy

    match error:
        case Refused():
            complain(f"alb: {error.message}")
            meaningless = error.problems or error.status == BAD_REQUEST
            return USAGE if meaningless else FAILED
        case Unreachable():
            complain(f"alb: {error}; is the cluster up? (alb up)")
            return FAILED
        case OSError():
            complain(f"alb: {error.filename}: {error.strerror}")
            return USAGE
        case _:
            complain(str(error))
            return USAGE


def _told_as_json(error: Exception) -> None:
    """Say the same for programs, in the form of the API's errors."""
    from controlplane.client import Refused  # noqa: PLC0415 - lazy
    from controlplane.commands.terminal import say_json  # noqa: PLC0415 - lazy
    from controlplane.problems import ConfigInvalid  # noqa: PLC0415 - lazy

    code = type(error).__name__
    problems: tuple[str, ...] = ()
    if isinstance(error, Refused):
        code, problems = error.code, error.problems
    elif isinstance(error, ConfigInvalid):
        code = "ValidationError"
        problems = tuple(one.at(error.file) for one in error.problems)
    told = {"code": code, "message": str(error), "problems": problems}
    say_json({"error": told})


def _unknown(name: str) -> str:
    from controlplane.problems import did_you_mean  # noqa: PLC0415 - difflib is slow

    return f'no command named "{name}"{did_you_mean(name, COMMANDS)}'


def _version() -> str:
    from controlplane.version import __version__  # noqa: PLC0415 - lazy

    return f"alb {__version__}"


if __name__ == "__main__":
    sys.exit(main())
