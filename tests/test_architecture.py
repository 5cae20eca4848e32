"""The floors hold: a file may import only what stands below it.

ARCHITECTURE.md explains the floors; these tests are what makes them true. They
read source files only and run none of them.
"""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

PARTS = ("alb", "scheduler", "autoscaler")
"""Three parts that do not know each other; `controlplane` introduces them."""

STANDS_ON = {part: {part, "foundation"} for part in PARTS} | {
    "foundation": {"foundation"},
    "controlplane": {*PARTS, "controlplane", "foundation"},
    "simulator": {*PARTS, "simulator", "foundation"},
}

# fmt: off
FLOOR = {"model": 0, "definition": 0, "container": 0, "configuration": 0, "told": 0,
         "takeover": 0, "instance": 0, "actions": 0,
         "errors": 0, "ports": 0, "policies": 0,
         "decide": 1, "state": 2, "drivers": 3, "app": 4}
# fmt: on
PURE_FLOORS = {0, 1, 2}
# fmt: off
WORLD = frozenset({
    "aiohttp", "asyncio", "docker", "logging", "multiprocessing", "os", "random",
    "secrets", "select", "selectors", "signal", "socket", "sqlite3", "ssl",
    "subprocess", "threading", "time", "uvloop",
})

EMPTY_NAMES = frozenset({
    "Base", "Common", "Core", "Data", "Handler", "Helper", "Helpers", "Info",
    "Manager", "Misc", "Processor", "Util", "Utils",
})
# fmt: on
"""Words that say nothing. "Service" is ECS's word and may stand."""

WORDS_OF_THE_FIELD = {"MissingData": "CloudWatch: how an alarm treats missing data"}

BANNED = {
    "asyncio.create_task": "start tasks in a TaskGroup: nobody hears a lost task",
    "asyncio.ensure_future": "start tasks in a TaskGroup: nobody hears a lost task",
    "time.time": "ask the Clock you were given",
    "random.random": "take the drawn number as an argument",
    "unittest.mock": "write an object that implements the port",
}
CLOCK = Path("foundation/clock.py")

LINES_MAX = 450
TEST_LINES_MAX = 800
FUNCTION_LINES_MAX = 60

FILES = sorted(file for name in STANDS_ON for file in (ROOT / name).rglob("*.py"))
OURS = sorted(
    file
    for name in (*STANDS_ON, "tests", "bench")
    for file in (ROOT / name).rglob("*.py")
)


def told_of(file: Path, problem: str) -> str:
    return f"{file.relative_to(ROOT)}: {problem}"


def floor_of(module: tuple[str, ...]) -> int:
    return FLOOR.get(module[1], 5) if len(module) > 1 else 5


@cache
def tree_of(file: Path) -> ast.Module:
    return ast.parse(file.read_text())


@cache
def statements_of(file: Path) -> Sequence[ast.AST]:
    """Return every statement: what we look for is never inside an expression."""
    found: list[ast.AST] = [tree_of(file)]
    for node in found:  # grows while it is walked
        for block in ("body", "orelse", "finalbody", "handlers", "cases"):
            found.extend(getattr(node, block, ()))
    return found


def imports_of(file: Path) -> Iterator[tuple[str, ...]]:
    for node in statements_of(file):
        if isinstance(node, ast.Import):
            yield from (tuple(alias.name.split(".")) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative imports hide the floor"
            head = (node.module or "").split(".")
            yield from ((*head, alias.name) for alias in node.names)


def upward(file: Path) -> Iterator[str]:
    me = file.relative_to(ROOT).with_suffix("").parts
    for module in imports_of(file):
        name = ".".join(module)
        ours = me[0] in PARTS
        if module[0] in WORLD and ours and floor_of(me) in PURE_FLOORS:
            yield f"{name} is not pure"
        if module[0] in STANDS_ON and module[0] not in STANDS_ON[me[0]]:
            yield f"{me[0]} must not know {name}"
        if module[0] == me[0] and ours and floor_of(module) > floor_of(me):
            yield f"{name} stands above"


def test_imports_point_down() -> None:
    assert [] == [told_of(file, why) for file in FILES for why in upward(file)]


def test_tests_and_benchmarks_are_not_imported() -> None:
    assert [] == [
        told_of(file, f"imports {module[0]}")
        for file in FILES
        for module in imports_of(file)
        if module[0] in {"tests", "bench"}
    ]


def test_what_is_banned_is_not_imported() -> None:
    names = [
        (file, ".".join(module))
        for file in OURS
        if file.relative_to(ROOT) != CLOCK
        for module in imports_of(file)
    ]
    assert [] == [
        told_of(file, f"{name}: {instead}")
        for file, name in names
        for banned, instead in BANNED.items()
        if f"{name}.".startswith(f"{banned}.")
    ]


def test_a_module_of_foundation_has_two_users() -> None:
    """What one package needs belongs to that package."""
    users: dict[str, set[str]] = {}
    for file in FILES:
        me = file.relative_to(ROOT).parts[0]
        for module in imports_of(file):
            if module[0] == "foundation" and me != "foundation" and len(module) > 1:
                users.setdefault(module[1], set()).add(me)

    modules = [file.stem for file in (ROOT / "foundation").glob("[!_]*.py")]
    assert [] == [name for name in modules if len(users.get(name, ())) < 2]


def names_in(file: Path) -> Iterator[str]:
    if file.stem != "conftest":
        yield file.stem
    for node in statements_of(file):
        if isinstance(node, ast.ClassDef) and node.name not in WORDS_OF_THE_FIELD:
            yield node.name


def test_no_class_or_file_has_an_empty_name() -> None:
    assert [] == [
        told_of(file, f"{name} says nothing: name the thing it is")
        for file in OURS
        for name in names_in(file)
        if EMPTY_NAMES & {word.capitalize() for word in words_of(name)}
    ]


def words_of(name: str) -> list[str]:
    return re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)


def too_long(file: Path) -> Iterator[str]:
    ours = file.relative_to(ROOT).parts[0] in STANDS_ON
    lines_max = LINES_MAX if ours else TEST_LINES_MAX
    if (lines := len(file.read_text().splitlines())) > lines_max:
        yield f"{lines} lines, more than {lines_max}"
    for node in statements_of(file):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > FUNCTION_LINES_MAX:
                yield f"{node.name} has {lines} lines, more than {FUNCTION_LINES_MAX}"


def test_files_and_functions_stay_small() -> None:
    assert [] == [told_of(file, why) for file in OURS for why in too_long(file)]


def test_a_module_says_what_it_is() -> None:
    """Empty files need no docstring, all others do."""
    trees = [(file, tree_of(file)) for file in FILES]
    assert [] == [
        told_of(file, "has no docstring")
        for file, tree in trees
        if tree.body and not ast.get_docstring(tree)
    ]


def test_no_file_names_a_place_of_one_machine() -> None:
    # A checkout right in /tmp would make every mention of /tmp one of its own.
    shared = {Path("/"), Path("/tmp"), Path("/home")}  # noqa: S108 - only compared
    place = f"{ROOT if ROOT.parent in shared else ROOT.parent}/"
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True)
    for name in names.stdout.split("\0"):
        file = ROOT / name
        if file.is_file() and file.stat().st_size < 1 << 20:
            assert place not in file.read_text(errors="replace"), name


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("TargetGroup", ["Target", "Group"]),
        ("HTTPHandler", ["HTTP", "Handler"]),
        ("deploy_utils", ["deploy", "utils"]),
    ],
)
def test_words_of_a_name(name: str, words: list[str]) -> None:
    assert words == words_of(name)
