"""Whom `alb load` trusts when it speaks TLS."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

from controlplane.tls.authority import CERTIFICATE, directory_of


def trusting(cacert: str) -> ssl.SSLContext:
    """Trust the system's authorities and the one in `cacert`.

    "" is that of `alb certs`, if there is one. Raises OSError, saying which file and
    why, when one that was named is of no use.
    """
    context = ssl.create_default_context()
    local = directory_of(os.environ, Path.home()) / CERTIFICATE
    file = cacert or (str(local) if local.exists() else "")
    try:
        if file:
            context.load_verify_locations(file)
    except ssl.SSLError as problem:
        raise OSError(f"--cacert: {file} holds no certificate in PEM") from problem
    except OSError as problem:
        raise OSError(f"--cacert: {file}: {problem.strerror}") from problem
    return context
