"""`alb certs`: the certificate authority for development, and what it issues."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from controlplane.commands.place import Place
from controlplane.commands.terminal import complain, say, say_json

if TYPE_CHECKING:
    from controlplane.tls.authority import Authority

FAILED: Final = 1
_TRUST: Final = {
    "darwin": "sudo security add-trusted-cert -d -r trustRoot"
    " -k /Library/Keychains/System.keychain {path}",
    "linux": "sudo cp {path} /usr/local/share/ca-certificates/alb.crt"
    " && sudo update-ca-certificates",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="issue a certificate for these names (NAME.pem and NAME.key);"
        " without names: where the authority is, and how to trust it",
    )
    parser.add_argument(
        "--out", default=".", metavar="DIR", help="where they are written (default .)"
    )
    parser.add_argument(
        "--path", action="store_true", help="print the authority's certificate's path"
    )


def main(args: argparse.Namespace) -> int:
    from controlplane.tls import authority as ca  # noqa: PLC0415 - cryptography is slow

    directory = ca.directory_of(os.environ, Path.home())
    try:
        opened = ca.Authority.open(directory, ca.utc_now())
    except ca.AuthorityUnusable as problem:
        complain(f"alb: {problem}")
        return FAILED
    if args.path:
        say(str(opened.path))
    elif args.names:
        _issue(opened, args)
    else:
        _tell(opened, args)
    return 0


def _issue(authority: Authority, args: argparse.Namespace) -> None:
    """Write a pair for the names that were asked for. Raises OSError."""
    from controlplane.tls.authority import utc_now, write_private  # noqa: PLC0415

    issued = authority.issue(args.names, utc_now())
    stem = args.names[0].replace("*", "_")
    certificate, key = (Path(args.out, f"{stem}.{end}") for end in ("pem", "key"))
    write_private(key, issued.key)
    write_private(certificate, issued.certificate)
    if args.output == "json":
        say_json({"certificate": str(certificate), "privateKey": str(key)})
        return
    say(f"certificates: [{{certificate: {certificate}, privateKey: {key}}}]")


def _tell(authority: Authority, args: argparse.Namespace) -> None:
    leaves = Place.of(args).state_dir.certificates
    issued = sorted(str(path) for path in leaves.glob("*.pem"))
    command = _TRUST.get(sys.platform, _TRUST["linux"]).format(path=authority.path)
    if args.output == "json":
        told = {"authority": str(authority.path), "issued": issued, "trust": command}
        say_json(told)
        return
    say(f"authority  {authority.path}")
    for path in issued:
        say(f"issued     {path}")
    say("\nfor one request   curl --cacert " + str(authority.path) + " https://…")
    say("for one program   SSL_CERT_FILE, REQUESTS_CA_BUNDLE or NODE_EXTRA_CA_CERTS")
    say(f"for this machine  {command}")
    say("for Firefox       Settings, Certificates, Authorities, Import")
