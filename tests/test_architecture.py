"""The floors hold: a file may import only what stands below it.

ARCHITECTURE.md explains the floors; these tests are what makes them true. They
read source files only and run none of them.
"""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
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
FLOOR = {"model": 0, "errors": 0, "ports": 0, "policies": 0, "decide": 1,
         "state": 2, "drivers": 3, "app": 4}
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

every_file = pytest.mark.parametrize(
    "file", FILES, ids=lambda file: str(file.relative_to(ROOT))
)
every_file_of_ours = pytest.mark.parametrize(
    "file", OURS, ids=lambda file: str(file.relative_to(ROOT))
)


def floor_of(module: tuple[str, ...]) -> int:
    return FLOOR.get(module[1], 5) if len(module) > 1 else 5


@cache
def tree_of(file: Path) -> ast.Module:
    return ast.parse(file.read_text())


def imports_of(file: Path) -> Iterator[tuple[str, ...]]:
    for node in ast.walk(tree_of(file)):
        if isinstance(node, ast.Import):
            yield from (tuple(alias.name.split(".")) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative imports hide the floor"
            head = (node.module or "").split(".")
            yield from ((*head, alias.name) for alias in node.names)


@every_file
def test_imports_point_down(file: Path) -> None:
    me = file.relative_to(ROOT).with_suffix("").parts
    for module in imports_of(file):
        name = ".".join(module)
        if module[0] in WORLD and me[0] in PARTS:
            assert floor_of(me) not in PURE_FLOORS, f"{name} is not pure"
        if module[0] in STANDS_ON:
            assert module[0] in STANDS_ON[me[0]], f"{me[0]} must not know {name}"
        if module[0] == me[0] and me[0] in PARTS:
            assert floor_of(module) <= floor_of(me), f"{name} stands above"


@every_file
def test_tests_and_benchmarks_are_not_imported(file: Path) -> None:
    assert not {module[0] for module in imports_of(file)} & {"tests", "bench"}


@every_file_of_ours
def test_what_is_banned_is_not_imported(file: Path) -> None:
    if file.relative_to(ROOT) == CLOCK:
        return
    for module in imports_of(file):
        name = ".".join(module)
        for banned, instead in BANNED.items():
            assert name != banned, f"{name}: {instead}"
            assert not name.startswith(f"{banned}."), f"{name}: {instead}"


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


@every_file_of_ours
def test_no_class_or_file_has_an_empty_name(file: Path) -> None:
    names = [file.stem] if file.stem != "conftest" else []
    names += [
        node.name for node in ast.walk(tree_of(file)) if isinstance(node, ast.ClassDef)
    ]
    for name in names:
        if name in WORDS_OF_THE_FIELD:
            continue
        words = {word.capitalize() for word in words_of(name)}
        assert not words & EMPTY_NAMES, f"{name} says nothing: name the thing it is"


def words_of(name: str) -> list[str]:
    return re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)


@every_file_of_ours
def test_files_and_functions_stay_small(file: Path) -> None:
    text = file.read_text()
    ours = file.relative_to(ROOT).parts[0] in STANDS_ON
    assert len(text.splitlines()) <= (LINES_MAX if ours else TEST_LINES_MAX)
    for node in ast.walk(tree_of(file)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            assert lines <= FUNCTION_LINES_MAX, f"{node.name} has {lines} lines"


@every_file
def test_a_module_says_what_it_is(file: Path) -> None:
    """Empty files need no docstring, all others do."""
    tree = tree_of(file)
    assert not tree.body or ast.get_docstring(tree)


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
