"""Who may speak to control: the mistakes that OWASP lists, one row each."""

import pytest

from controlplane.api.guard import UNIX_SOCKET, Asked, Door, names_door, refuse

TOKEN = "correct-horse-battery-staple-0123456789"  # noqa: S105 - guards nothing
V4 = Door.at("127.0.0.1", 4566)
V6 = Door.at("::1", 4566)
LAN = Door.at("192.0.2.7", 4566)

# fmt: off
HOSTS = [
    (V4,  "127.0.0.1:4566",            True,  "the address itself"),
    (V4,  "localhost:4566",            True,  "localhost is loopback's name"),
    (V4,  "LocalHost:4566",            True,  "names have no case"),
    (V6,  "[::1]:4566",                True,  "IPv6 stands in brackets"),
    (V6,  "[0:0:0:0:0:0:0:1]:4566",    True,  "an address has several spellings"),
    (V6,  "localhost:4566",            True,  "localhost is ::1 too"),
    (LAN, "192.0.2.7:4566",            True,  "any address the connection came to"),
    (Door.at("::ffff:127.0.0.1", 4566), "127.0.0.1:4566", True,
                                              "a dual-stack socket's IPv4"),
    (V4,  "evil.example:4566",         False, "DNS rebinding: a name now means us"),
    (V4,  "127.0.0.1.evil.example:4566", False, "an address as a name's prefix"),
    (V4,  "localhost.evil.example:4566", False, "localhost as a name's prefix"),
    (V4,  "evil-localhost:4566",       False, "localhost as a name's suffix"),
    (V4,  "localhost.:4566",           False, "a trailing dot is another name"),
    (V4,  "127.0.0.1.:4566",           False, "a trailing dot is no address"),
    (V4,  "localhost",                 False, "port 80 is not ours"),
    (V4,  "127.0.0.1",                 False, "port 80 is not ours"),
    (V4,  "127.0.0.1:8080",            False, "another port"),
    (V4,  "127.0.0.1:04566x",          False, "junk after the port"),
    (V4,  "127.0.0.1:4566@evil.example", False, "userinfo"),
    (V4,  "user@127.0.0.1:4566",       False, "userinfo"),
    (V4,  "127.0.0.1:4566, evil",      False, "a list of hosts"),
    (V4,  "127.0.0.1:4566 ",           False, "white space"),
    (V4,  "127.0.0.1:4566\n",          False, "a line break"),
    (V4,  "",                          False, "nothing"),
    (V4,  ":4566",                     False, "only a port"),
    (V4,  "127.0.0.2:4566",            False, "another loopback address"),
    (V4,  "127.1:4566",                False, "short forms are not addresses"),
    (V4,  "2130706433:4566",           False, "nor are integers"),
    (V4,  "0177.0.0.1:4566",           False, "nor octal"),
    (V4,  "0.0.0.0:4566",              False, "the unspecified address"),
    (V4,  "[::1]:4566",                False, "the other family"),
    (V4,  "[::ffff:127.0.0.1]:4566",   False, "a mapped address"),
    (V6,  "::1:4566",                  False, "no brackets"),
    (V6,  "[::1%25lo]:4566",           False, "a zone"),
    (LAN, "localhost:4566",            False, "localhost is not the LAN"),
    (LAN, "127.0.0.1:4566",            False, "nor is loopback"),
    (V4,  "loc\u0430lhost:4566",       False, "a Cyrillic letter"),
    (V4,  "\u0661\u0662\u0667.0.0.1:4566", False, "Arabic digits"),
]
# fmt: on


@pytest.mark.parametrize(
    ("door", "host", "ours"), [row[:3] for row in HOSTS], ids=[row[3] for row in HOSTS]
)
def test_host(door: Door, host: str, ours: bool) -> None:  # noqa: FBT001
    assert ours == names_door(host, door)


def ask(door: Door | None = V4, **parts: object) -> int:
    """Return the status of a refusal, 200 when there is none."""
    facts: dict[str, object] = {
        "method": "GET",
        "target": "/v1/state",
        "hosts": ("127.0.0.1:4566",),
        "content_type": "application/json",
    }
    refusal = refuse(Asked(**(facts | parts)), door, TOKEN)  # type: ignore[arg-type]
    return refusal.status if refusal else 200


BEARER = (f"Bearer {TOKEN}",)
POST = {"method": "POST", "authorizations": BEARER}

# fmt: off
REQUESTS = [
    (200, {}, "a plain read"),
    (200, {"method": "HEAD"}, "a plain look"),
    (403, {"hosts": ()}, "no Host"),
    (403, {"hosts": ("127.0.0.1:4566",) * 2}, "two Hosts, even equal ones"),
    (403, {"target": "http://evil.example/v1/state"}, "an absolute target"),
    (403, {"target": "*"}, "no path"),
    (403, {"target": "evil.example:443"}, "an authority as target"),
    (200, {"origins": ("http://127.0.0.1:4566",)}, "our own page"),
    (200, {"origins": ("http://localhost:4566",)}, "our own page by its name"),
    (403, {"origins": ("http://evil.example",)}, "a foreign page"),
    (403, {"origins": ("null",)}, "a sandboxed frame or a file"),
    (403, {"origins": ("",)}, "an empty Origin"),
    (403, {"origins": ("https://127.0.0.1:4566",)}, "another scheme"),
    (403, {"origins": ("http://127.0.0.1:8080",)}, "a task's page, on another port"),
    (403, {"origins": ("http://127.0.0.1:4566/",)}, "an Origin has no path"),
    (403, {"origins": ("http://127.0.0.1:4566.evil.example",)}, "ours as a prefix"),
    (403, {"origins": ("http://127.0.0.1:4566", "http://evil.example")},
        "one of two is foreign"),
    (403, {"origins": ("http://evil.example",), **POST}, "a token does not excuse it"),
    (403, {"fetch_sites": ("cross-site",)}, "what a browser calls cross-site"),
    (403, {"fetch_sites": ("same-site",)}, "another port is the same site"),
    (403, {"fetch_sites": ("unheard-of",)}, "a word we do not know"),
    (403, {"fetch_sites": ("cross-site",), **POST}, "cross-site with the token"),
    (200, {"fetch_sites": ("same-origin",)}, "our own page's fetch"),
    (200, {"fetch_sites": ("none",)}, "an address typed by a person"),
    (200, POST, "a change with the token"),
    (200, {**POST, "authorizations": (f"bearer {TOKEN}",)}, "the scheme has no case"),
    (401, {"method": "POST"}, "a change without the token"),
    (401, {**POST, "authorizations": BEARER * 2}, "two Authorizations"),
    (401, {**POST, "authorizations": ("Bearer ",)}, "an empty token"),
    (401, {**POST, "authorizations": ("Bearer",)}, "no token"),
    (401, {**POST, "authorizations": (TOKEN,)}, "no scheme"),
    (401, {**POST, "authorizations": (f"Basic {TOKEN}",)}, "another scheme"),
    (401, {**POST, "authorizations": (f"Bearer {TOKEN[:-1]}",)}, "a prefix of it"),
    (401, {**POST, "authorizations": (f"Bearer {TOKEN}x",)}, "more than the token"),
    (401, {**POST, "authorizations": (f"Bearer {TOKEN} ",)}, "white space after it"),
    (401, {**POST, "authorizations": ("Bearer \udcff",)}, "bytes that are no text"),
    (415, {**POST, "content_type": "text/plain"}, "a form can send text/plain"),
    (415, {**POST, "content_type": "application/x-www-form-urlencoded"}, "or a form"),
    (415, {**POST, "content_type": "multipart/form-data; boundary=x"}, "or files"),
    (415, {**POST, "content_type": ""}, "no type"),
    (415, {**POST, "content_type": "text/plain; application/json"}, "JSON as an extra"),
    (200, {**POST, "content_type": "application/json; charset=utf-8"}, "a charset"),
    (405, {"method": "OPTIONS"}, "a preflight gets no permission"),
    (405, {"method": "TRACE"}, "no echo"),
    (405, {"method": "CONNECT"}, "no tunnel"),
    (405, {"method": "PUT", "authorizations": BEARER}, "no other way to change"),
    (405, {"method": "get"}, "methods have case"),
]
# fmt: on


@pytest.mark.parametrize(
    ("status", "parts"),
    [row[:2] for row in REQUESTS],
    ids=[row[2] for row in REQUESTS],
)
def test_over_tcp(status: int, parts: dict[str, object]) -> None:
    assert status == ask(V4, **parts)


@pytest.mark.parametrize("authorizations", [(), ("Bearer wrong",)])
def test_any_address_but_loopback_needs_the_token_to_read(
    authorizations: tuple[str, ...],
) -> None:
    there = {"door": LAN, "hosts": ("192.0.2.7:4566",)}

    assert 401 == ask(**there, authorizations=authorizations)  # type: ignore[arg-type]
    assert 200 == ask(**there, authorizations=BEARER)  # type: ignore[arg-type]


def test_a_token_that_was_never_made_opens_nothing() -> None:
    asked = Asked("POST", "/", ("127.0.0.1:4566",), authorizations=("Bearer ",))

    refusal = refuse(asked, V4, "")

    assert refusal is not None
    assert 401 == refusal.status


def test_the_unix_socket_needs_its_file_mode_only() -> None:
    assert 200 == ask(UNIX_SOCKET, method="POST", hosts=("anything",))
    assert 415 == ask(UNIX_SOCKET, method="POST", content_type="text/plain")
    assert 405 == ask(UNIX_SOCKET, method="TRACE")
