"""`alb explain URL`: which rule answers a request, and every rule's reason.

Control answers where it runs, with the health it sees; otherwise the file does,
by the same rules. `alb explain --scaling SERVICE` tells why its count is what
it is: alarms, what each policy wants, what stands against it, what follows.
"""

from __future__ import annotations

import argparse

from controlplane.client import Control, Document, Unreachable, path_of
from controlplane.commands.explanation import told
from controlplane.commands.place import Place, control_of
from controlplane.commands.scaling import scaling_told
from controlplane.commands.terminal import clock_time, complain, say, say_json

USAGE = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("url", metavar="URL", help="or SERVICE, with --scaling")
    parser.add_argument("-X", "--method", default="GET", metavar="METHOD")
    parser.add_argument(
        "-H", "--header", action="append", default=[], metavar="'NAME: VALUE'"
    )
    parser.add_argument(
        "--source-ip", default="127.0.0.1", metavar="ADDRESS", help="of the client"
    )
    parser.add_argument("--source-port", type=int, metavar="PORT", help="of the client")
    parser.add_argument(
        "--tls",
        nargs=2,
        metavar=("VERSION", "CIPHER"),
        help="of the client's connection, as in TLSv1.2 ECDHE-RSA-AES128-GCM-SHA256",
    )
    parser.add_argument(
        "--scaling", action="store_true", help="why the service scaled, or did not"
    )
    parser.add_argument(
        "--offline", action="store_true", help="go by the file even if control runs"
    )


def main(args: argparse.Namespace) -> int:
    if args.scaling:
        return _explain_scaling(control_of(args), args.url, args.output)
    document = _from_file(args) if args.offline else _from_control(args)
    if document is None:
        return USAGE
    if args.output == "json":
        say_json(document)
    else:
        for line in told(document):
            say(line)
    return 0


def _from_control(args: argparse.Namespace) -> Document | None:
    query: dict[str, str | int | list[str]] = {
        "url": args.url,
        "method": args.method,
        "header": args.header,
        "sourceIp": args.source_ip,
    }
    if args.source_port is not None:
        query["sourcePort"] = args.source_port
    if args.tls:
        query["tlsVersion"], query["tlsCipher"] = args.tls
    try:
        return control_of(args).get(path_of("v1", "explain", **query))
    except Unreachable:
        if args.control:
            raise
        complain(f"control does not run: by {args.file}, without health")
        return _from_file(args)


def _from_file(args: argparse.Namespace) -> Document | None:
    from controlplane.api.ports import (  # noqa: PLC0415 - lazy
        EPHEMERAL_PORT,
        USUAL_TLS,
        Question,
    )
    from controlplane.commands.validate import load  # noqa: PLC0415 - lazy
    from controlplane.errors import ControlError  # noqa: PLC0415 - lazy
    from controlplane.explain import explain  # noqa: PLC0415 - lazy
    from controlplane.known import Known, session_keys  # noqa: PLC0415 - lazy
    from foundation.clock import SystemClock  # noqa: PLC0415 - lazy

    headers = []
    for line in args.header:
        name, colon, value = line.partition(":")
        if not colon or not name.strip():
            complain(f'alb: "{line}" is not NAME: VALUE')
            return None
        headers.append((name.strip(), value.strip()))
    place = Place.of(args)
    cluster = load(place)
    known = Known(keys=session_keys(place.state_dir), unix_s=SystemClock().unix_s())
    port = EPHEMERAL_PORT if args.source_port is None else args.source_port
    tls = tuple(args.tls or USUAL_TLS)
    try:
        question = Question(args.url, args.method, headers, args.source_ip, port, tls)
        return explain(cluster.load_balancer, known, question)
    except ControlError as error:
        complain(f"alb: {error}")
        return None


def _explain_scaling(control: Control, service: str, output: str) -> int:
    document = control.get(path_of("v1", "services", service, "scaling"))
    if output == "json":
        say_json(document)
        return 0
    for line in scaling_told(document):
        say(line)
    for event in control.events():
        if event.subject == service and event.source == "scaling":
            say(f"{clock_time(event.unix_s)} {event.message}")
    return 0
