"""What the documents name is there: files, commands, places in the tree."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.needs import ROOT

DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("bench/*.md")]
)
DECISIONS = ROOT / "docs" / "decisions"

every_document = pytest.mark.parametrize(
    "document", DOCUMENTS, ids=lambda file: str(file.relative_to(ROOT))
)


def targets() -> set[str]:
    makefile = (ROOT / "Makefile").read_text()
    return set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))


@every_document
def test_links_lead_somewhere(document: Path) -> None:
    for link in re.findall(r"\]\(([^)#\s]+)", document.read_text()):
        if not re.match(r"[a-z]+:", link):
            assert (document.parent / link).exists(), link


@every_document
def test_make_has_what_is_promised(document: Path) -> None:
    text = document.read_text()
    commands = re.findall(r"(?:`|^\s*\$ |^ {4})make ([a-z-]+)", text, re.MULTILINE)

    assert set(commands) <= targets()


def test_every_decision_is_in_the_index_under_its_own_title() -> None:
    index = (DECISIONS / "README.md").read_text()
    for file in sorted(DECISIONS.glob("[0-9]*.md")):
        number, title = file.read_text().splitlines()[0].lstrip("# ").split(": ", 1)
        assert file.name.startswith(f"{number}-")
        assert f"[{number}]({file.name}) | {title} |" in index


@pytest.mark.parametrize(
    "file", sorted(DECISIONS.glob("[0-9]*.md")), ids=lambda f: f.stem
)
def test_a_decision_has_its_four_parts(file: Path) -> None:
    text = file.read_text()
    places = [
        text.find(part)
        for part in ("**Situation.**", "**Options", "**Outcome.**", "**Consequences.**")
    ]

    assert -1 not in places
    assert places == sorted(places)
