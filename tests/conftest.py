"""Needs: a test says what it needs, and a run says what it could not test.

See `tests/support/needs.py` for the needs and ALB_REQUIRE.
"""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from hypothesis import settings

from tests.support import engines, needs
from tests.support.examples import IS_THOROUGH, PROFILE, examples

EXAMPLES: Final = 100
"""Per property that does not say otherwise, with ALB_EXAMPLES=thorough."""

FEWER: Final = (
    "of examples a tenth, of enumerated cases one in five: ALB_EXAMPLES=thorough tries"
    " all"
)
TESTS: Final = Path(__file__).parent
LIVE: Final = TESTS / "live"
SHARES: Final = ("alone", "computing", "waiting")
COMPUTING: Final = frozenset(
    TESTS / name
    for name in (
        "alb/decide",
        "alb/state",
        "autoscaler/decide",
        "autoscaler/state",
        "controlplane/cluster_file",
        "controlplane/test_codec.py",
        "fuzz",
        "parity",
        "scenarios",
        "scheduler/app",
        "scheduler/decide",
        "scheduler/state",
        "test_architecture.py",
        "test_documents.py",
        "test_evidence.py",
        "test_needs.py",
        "test_tools.py",
    )
)
"""Where tests wait for nothing and nobody: no socket, no time that passes by itself.
They may be as slow as the machine likes."""


def pytest_addoption(parser: pytest.Parser) -> None:
    told = "run one share of the tests only, as tools/test does"
    parser.addoption("--share", choices=SHARES, help=told)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Read no files of other shares: that would cost each process seconds."""
    share = config.option.share
    if share is None or collection_path.is_dir():
        return None
    computes = _computes(collection_path)
    elsewhere = share == "alone" and LIVE not in collection_path.parents
    return True if elsewhere or computes != (share == "computing") else None


def _computes(path: Path) -> bool:
    return not COMPUTING.isdisjoint((path, *path.parents))


def _share_of(item: pytest.Item) -> str:
    if item.get_closest_marker("alone"):
        if LIVE not in item.path.parents:
            raise pytest.UsageError(f"{item.nodeid}: those alone stand in tests/live")
        return "alone"
    return "computing" if _computes(item.path) else "waiting"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", f"needs(name, ...): one or more of {', '.join(needs.NEEDS)}"
    )
    config.addinivalue_line(
        "markers", "alone: measures, so nothing else may run beside it"
    )
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # Begun in a shell's background; what the tests start has to hear Ctrl-C.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    needs.required()
    settings.register_profile(PROFILE, max_examples=examples(EXAMPLES), deadline=None)
    settings.load_profile(PROFILE)


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Begin with those that wait longest: side by side they end with the others."""
    share = config.option.share
    if share is not None:
        others = [item for item in items if _share_of(item) != share]
        items[:] = [item for item in items if _share_of(item) == share]
        config.hook.pytest_deselected(items=others)
    items.sort(key=lambda item: not item.nodeid.startswith("tests/live/"))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Leave the machine's network alone when this run will start engines.

    Only where no engine answers: one that does is in the machine's network,
    and so are its published ports.
    """
    wanted = {name for item in session.items for name in _needs_of(item)}
    if session.config.option.collectonly or needs.answering_engine():
        return
    if any(not needs.NEEDS[name].missing() for name in wanted & {"docker", "engines"}):
        engines.own_network()


def pytest_runtest_setup(item: pytest.Item) -> None:
    for name in _needs_of(item):
        need = needs.NEEDS[name]
        if not need.missing():
            continue
        if name in needs.required():
            pytest.fail(f"{need} (required by ALB_REQUIRE)", pytrace=False)
        pytest.skip(str(need))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List what was skipped, by reason: what this run does not vouch for."""
    reasons = Counter(
        report.longrepr[2].removeprefix("Skipped: ")
        for report in terminalreporter.stats.get("skipped", ())
        if isinstance(report.longrepr, tuple)
    )
    if IS_THOROUGH and not reasons:
        return
    terminalreporter.section("not tested on this machine")
    if not IS_THOROUGH:
        terminalreporter.write_line(FEWER)
    for reason, count in reasons.most_common():
        tests = "test" if count == 1 else "tests"
        terminalreporter.write_line(f"{count:4} {tests}: {reason}")


def _needs_of(item: pytest.Item) -> Iterator[str]:
    for mark in item.iter_markers("needs"):
        yield from mark.args


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[engines.Engine]:
    """One Docker Engine for the run: the one that answers, else one of our own.

    A test that stops or freezes an engine takes `private_engine` of its own
    or `engines_apart` instead.
    """
    if endpoint := needs.answering_engine():
        answering = engines.Engine(endpoint)
        answering.address = answering.gateway()
        yield answering
        asked = ("images", "--quiet", "--filter", "reference=alb-test/*")
        if imported := answering.docker(*asked).split():
            answering.docker("image", "rm", "--force", *imported)
        return
    with engines.private_engine(_short(tmp_path_factory, "engine")) as private:
        yield private


@pytest.fixture(scope="session")
def three_engines(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[list[engines.Engine]]:
    """Three Docker hosts, each with an address of its own. Needs "engines"."""
    with engines.engines_apart(3, _short(tmp_path_factory, "hosts")) as apart:
        yield apart


def _short(factory: pytest.TempPathFactory, name: str) -> Path:
    """A directory whose Unix sockets fit into 108 bytes."""
    directory = factory.mktemp(name)
    assert len(str(directory)) < 70, f"too long for Unix sockets: {directory}"
    return directory


@pytest.fixture(scope="session")
def corpora() -> Path:
    """The folder of recorded cases. Needs "corpora"."""
    return needs.corpora()


@pytest.fixture
def short_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As tmp_path, with a name short enough for Unix sockets inside."""
    return _short(tmp_path_factory, "t")
