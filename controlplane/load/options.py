"""The options of `alb load`, as a value and as arguments.

Cheap to import: the command line asks every subcommand for its arguments.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import urlsplit

from controlplane.load.shape import (
    CONSTANT,
    Shape,
    ShapeInvalid,
    constant,
    parse_duration,
    parse_shape,
)

TIMEOUT_S: Final = 5.0
CONNECTIONS_MAX: Final = 512
DURATION_S: Final = 10.0
PORT_MAX: Final = 65_535
PORTS: Final = {False: 80, True: 443}
"""Where nothing else is said, by whether TLS is spoken."""

Arrivals = Literal["even", "poisson"]


class OptionsInvalid(ValueError):
    """Options that together mean nothing. The message is one line for a person."""


@dataclass(frozen=True, slots=True)
class Url:
    """A URL taken apart. `target` is what stands in the request line."""

    host: str
    port: int
    target: str
    text: str
    secure: bool = False

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.secure] else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """What to send, when, and what counts as an answer.

    The URLs take turns; one that is given twice gets two turns. `witness` is
    (host, port), port 0 for any. With `echo`, the answer must carry the id.
    """

    urls: tuple[Url, ...]
    shape: Shape
    shape_text: str
    timeout_s: float = TIMEOUT_S
    connections: int = CONNECTIONS_MAX
    arrivals: Arrivals = "even"
    seed: int = 0
    echo: bool = True
    headers: tuple[tuple[str, str], ...] = ()
    witness: tuple[str, int] | None = None
    progress: bool = False
    json: bool = False
    cacert: str = ""
    """A file of authorities to trust besides the system's; "": that of `alb certs`."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `alb load` understands."""
    add = parser.add_argument
    add(
        "urls",
        metavar="URL",
        nargs="+",
        help="http(s)://…; several take turns",
    )
    add(
        "--shape",
        default=f"{CONSTANT}10",
        help="requests per second over time: 20x10s,20-120x20s,120x30s "
        "or constant:RATE (default %(default)s)",
    )
    add("--duration", help="how long constant:RATE lasts (default 10s)")
    add("--timeout", default="5", help="until a request has failed (default 5 s)")
    add("--arrivals", choices=("even", "poisson"), default="even")
    add("--seed", type=int, default=0, help="of --arrivals poisson")
    add(
        "--connections",
        type=int,
        default=CONNECTIONS_MAX,
        help="open at most this many (default %(default)s)",
    )
    add("--header", action="append", default=[], metavar="NAME:VALUE")
    add(
        "--cacert",
        default="",
        metavar="FILE",
        help="trust this authority besides the system's (default: that of alb certs)",
    )
    add("--no-echo", action="store_true", help="answers carry no X-Request-Id")
    add(
        "--witness",
        metavar="[HOST:]PORT",
        help="listen by UDP for the ids that targets with ALB_WITNESS receive",
    )
    add("--progress", action="store_true", help="print a line of JSON every second")
    add("--json", action="store_true", help="print the report as one line of JSON")


def options_of(args: argparse.Namespace) -> LoadOptions:
    """Read parsed arguments. Raises OptionsInvalid or ShapeInvalid."""
    if args.connections < 1:
        raise OptionsInvalid("--connections: at least 1")
    return LoadOptions(
        urls=tuple(parse_url(text) for text in args.urls),
        shape=_shape(args.shape, args.duration),
        shape_text=args.shape,
        timeout_s=_duration("--timeout", args.timeout),
        connections=args.connections,
        arrivals=args.arrivals,
        seed=args.seed,
        echo=not args.no_echo,
        headers=tuple(_headers(args.header)),
        witness=None if args.witness is None else parse_witness(args.witness),
        progress=args.progress,
        json=args.json,
        cacert=args.cacert,
    )


def parse_url(text: str) -> Url:
    """Read an http or https URL; `localhost:8080/x` will do. Raises OptionsInvalid."""
    whole = text if "://" in text else f"http://{text}"
    try:
        parts = urlsplit(whole)
        port = parts.port
    except ValueError as error:
        raise OptionsInvalid(f"{text!r} is not a URL: {error}") from error
    if parts.scheme not in {"http", "https"}:
        raise OptionsInvalid(f"{text!r}: only http:// and https:// are spoken")
    if not parts.hostname:
        raise OptionsInvalid(f"{text!r}: a host is missing")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not target.isascii() or not target.isprintable() or " " in target:
        raise OptionsInvalid(f"{text!r}: percent-encode what is not plain ASCII")
    secure = parts.scheme == "https"
    at = PORTS[secure] if port is None else port
    return Url(parts.hostname, at, target, text, secure)


def parse_witness(text: str) -> tuple[str, int]:
    """Read `PORT` or `HOST:PORT`. Raises OptionsInvalid."""
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or int(port) > PORT_MAX:
        raise OptionsInvalid(f"--witness: {text!r} is not [HOST:]PORT")
    return host.strip("[]") or "127.0.0.1", int(port)


def _shape(text: str, duration: str | None) -> Shape:
    if text.startswith(CONSTANT):
        duration_s = DURATION_S
        if duration is not None:
            duration_s = _duration("--duration", duration)
        return constant(text[len(CONSTANT) :], duration_s)
    if duration is not None:
        raise OptionsInvalid("--duration: this shape says its own; see constant:RATE")
    return parse_shape(text)


def _duration(option: str, text: str) -> float:
    try:
        return parse_duration(text)
    except ShapeInvalid as error:
        raise OptionsInvalid(f"{option}: {error.reason} (got {text!r})") from error


def _headers(texts: Sequence[str]) -> Iterator[tuple[str, str]]:
    for text in texts:
        name, colon, value = text.partition(":")
        if not colon or not name.strip() or not text.isprintable():
            raise OptionsInvalid(f"--header: {text!r} is not NAME:VALUE")
        if name.strip().lower() in {"x-request-id", "content-length", "connection"}:
            raise OptionsInvalid(f"--header: {name.strip()} is set by the generator")
        yield name.strip(), value.strip()
