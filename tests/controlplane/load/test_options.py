"""The options of `alb load`, and what is said about impossible ones."""

import argparse
import subprocess
import sys

import pytest

from controlplane.load.main import add_arguments, main, options_of
from controlplane.load.options import LoadOptions, parse_url


def read(*words: str) -> LoadOptions:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return options_of(parser.parse_args(words))


def test_defaults_are_five_seconds_ten_requests_a_second_and_an_echo() -> None:
    options = read("http://127.0.0.1:8080")
    assert (5.0, 100, True) == (
        options.timeout_s,
        options.shape.requests,
        options.echo,
    )


# fmt: off
URLS = [
    ("http://localhost:8080/a?b=c", "localhost", 8080, "/a?b=c", "localhost:8080"),
    ("localhost:81",                "localhost", 81,   "/",      "localhost:81"),
    ("http://example.com",          "example.com", 80, "/",      "example.com"),
    ("https://example.com",         "example.com", 443, "/",     "example.com"),
    ("https://localhost:8443",      "localhost", 8443, "/",      "localhost:8443"),
    ("http://[::1]:82/x",           "::1",       82,   "/x",     "[::1]:82"),
]
REFUSED = [
    (["ftp://x/"],                       "only http:// and https:// are spoken"),
    (["http:///x"],                      "a host is missing"),
    (["http://x:99999/"],                "is not a URL"),
    (["http://x/a b"],                   "percent-encode"),
    (["x", "--shape", "20x"],            "column 4: expected a duration"),
    (["x", "--shape", "20x1s", "--duration", "5"], "--duration: this shape says"),
    (["x", "--duration", "0"],           "--duration: a duration is longer than 0"),
    (["x", "--timeout", "soon"],         "--timeout: expected a duration"),
    (["x", "--connections", "0"],        "--connections: at least 1"),
    (["x", "--witness", "here"],         "--witness: 'here' is not [HOST:]PORT"),
    (["x", "--header", "nonsense"],      "--header: 'nonsense' is not NAME:VALUE"),
    (["x", "--header", "X-Request-Id: 1"], "set by the generator"),
]
# fmt: on


@pytest.mark.parametrize(("text", "host", "port", "target", "authority"), URLS)
def test_urls(text: str, host: str, port: int, target: str, authority: str) -> None:
    url = parse_url(text)
    assert (host, port, target) == (url.host, url.port, url.target)
    assert authority == url.authority


@pytest.mark.parametrize(("words", "message"), REFUSED)
def test_impossible_options_are_a_usage_error_that_says_why(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser)

    assert 2 == main(parser.parse_args(words))
    assert message in capsys.readouterr().err


def test_the_witness_listens_on_loopback_unless_told_otherwise() -> None:
    assert ("127.0.0.1", 99) == read("x", "--witness", "99").witness
    assert ("::", 99) == read("x", "--witness", "[::]:99").witness


def test_asking_for_the_arguments_does_not_import_asyncio() -> None:
    code = (
        "import sys; import controlplane.load.main; "
        "sys.exit(any(name in sys.modules for name in ('asyncio', 'httptools')))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=20)
