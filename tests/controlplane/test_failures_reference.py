"""The page of reasons says what the code counts."""

from pathlib import Path

from controlplane.failures_reference import page

PAGE = Path(__file__).parents[2] / "docs/reference/failures.md"


def test_the_page_is_the_one_that_the_code_makes() -> None:
    assert page() == PAGE.read_text(encoding="utf-8"), (
        "run: python -m controlplane.failures_reference > docs/reference/failures.md"
    )
