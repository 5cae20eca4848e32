"""Problems say where, what, and what was probably meant."""

import pytest

from controlplane.problems import ConfigInvalid, Problem, Severity, did_you_mean

MANY = [f"group-{number}" for number in range(1000)]

# fmt: off
MEANT = [
    ("desirdCount", ["desiredCount", "serviceName"], '; did you mean "desiredCount"?',
     "a letter left out"),
    ("qqqq",        ["desiredCount"],                "",
     "nothing is near"),
    ("web",         [],                              "",
     "nothing is known"),
    ("group-7x",    MANY,                            '; did you mean "group-7"?',
     "among a thousand"),
]
# fmt: on


@pytest.mark.parametrize(
    ("name", "known", "hint"), [row[:3] for row in MEANT], ids=[row[3] for row in MEANT]
)
def test_the_nearest_known_name_is_told(name: str, known: list[str], hint: str) -> None:
    assert hint == did_you_mean(name, known)


def test_a_problem_reads_as_editors_have_it() -> None:
    error = Problem("services[0]", "is wrong", 3, 7)
    warning = Problem("", "is odd", severity=Severity.WARNING)

    assert "alb.yaml:3:7: services[0]: is wrong" == error.at("alb.yaml")
    assert "alb.yaml: warning: is odd" == warning.at("alb.yaml")
    assert (
        "alb.yaml: 2 problems\n"
        "  alb.yaml:3:7: services[0]: is wrong\n"
        "  alb.yaml: warning: is odd"
    ) == str(ConfigInvalid("alb.yaml", [error, warning]))
