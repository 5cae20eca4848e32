"""The development CA: made once, for its owner alone, and trusted by who is told to."""

from __future__ import annotations

import asyncio
import concurrent.futures
import ssl
from datetime import timedelta
from pathlib import Path

import pytest

from alb.decide.tls_policies import DEFAULT_POLICY
from alb.model import (
    CertificateFiles,
    FixedResponse,
    HostHeader,
    Listener,
    LoadBalancer,
    Rule,
    TargetGroup,
)
from controlplane import cli
from controlplane.tls.authority import (
    Authority,
    AuthorityUnusable,
    Issued,
    directory_of,
    utc_now,
)
from controlplane.tls.disk import LocalDisk
from controlplane.tls.local import LocalCertificates, names_for
from controlplane.tls.pair import read_pair

NOTHING = FixedResponse(404)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's data directory of the test's own."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return tmp_path / "data" / "alb" / "ca"


def front(*hosts: str, group: str = "web") -> LoadBalancer:
    rules = tuple(
        Rule(number, (HostHeader((host,)),), NOTHING)
        for number, host in enumerate(hosts, 1)
    )
    listener = Listener(
        8443, NOTHING, rules, protocol="HTTPS", ssl_policy=DEFAULT_POLICY
    )
    return LoadBalancer("front", listeners=(listener,), groups=(TargetGroup(group),))


def files_of(load_balancer: LoadBalancer) -> CertificateFiles:
    ((files,),) = [listener.certificates for listener in load_balancer.listeners]
    return files


# --- the authority --------------------------------------------------------------------


def test_it_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    first = Authority.open(tmp_path / "alb" / "ca", utc_now())
    again = Authority.open(tmp_path / "alb" / "ca", utc_now())

    assert first.certificate == again.certificate
    assert 0o700 == mode(first.directory)
    assert {"ca.pem", "ca.key"} == {path.name for path in first.directory.iterdir()}
    assert {0o600} == {mode(path) for path in first.directory.iterdir()}


def test_many_who_make_it_at_once_have_one(tmp_path: Path) -> None:
    def opened(_: int) -> Authority:
        return Authority.open(tmp_path / "ca", utc_now())

    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        made = [*threads.map(opened, range(16))]

    assert 1 == len({one.certificate.serial_number for one in made})
    assert ["ca"] == [path.name for path in tmp_path.iterdir()]


def test_one_that_is_damaged_is_told_and_not_replaced(tmp_path: Path) -> None:
    made = Authority.open(tmp_path / "ca", utc_now())
    (made.directory / "ca.key").write_text("nothing")

    with pytest.raises(AuthorityUnusable, match="damaged: remove it"):
        Authority.open(tmp_path / "ca", utc_now())


def test_a_key_that_is_gone_is_told(tmp_path: Path) -> None:
    made = Authority.open(tmp_path / "ca", utc_now())
    (made.directory / "ca.key").unlink()

    with pytest.raises(AuthorityUnusable, match=r"ca\.key: no such file"):
        Authority.open(tmp_path / "ca", utc_now())


def test_it_is_in_the_users_data_directory() -> None:
    assert Path("/x/alb/ca") == directory_of({"XDG_DATA_HOME": "/x"}, Path("/h"))
    assert Path("/h/.local/share/alb/ca") == directory_of({}, Path("/h"))


async def shake(
    server: ssl.SSLContext, trusted: Path, server_name: str
) -> ssl.SSLObject:
    """Have a client that trusts one authority alone meet a server."""
    client = ssl.create_default_context(cafile=str(trusted))
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    asking = client.wrap_bio(to_client, to_server, server_hostname=server_name)
    answering = server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for side in (asking, answering):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                await asyncio.sleep(0)
    return asking


@pytest.mark.parametrize(
    "name", ["app.localhost", "web.localhost", "shop.example.com", "a.wild.test"]
)
async def test_who_trusts_it_reaches_a_listener_by_each_of_its_names(
    tmp_path: Path, name: str
) -> None:
    local = LocalCertificates(tmp_path / "tls", tmp_path / "ca")
    files = files_of(local.complete(front("shop.example.com", "*.wild.test")))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(files.certificate, files.private_key)

    met = await shake(server, tmp_path / "ca" / "ca.pem", name)

    assert "TLSv1.3" == met.version()


# --- listeners that name no certificate -----------------------------------------------


def test_a_listeners_names_are_those_of_its_rules_and_groups() -> None:
    load_balancer = front("shop.example.com", "*.shop.test", "s?op.test", "a*.test")
    (listener,) = load_balancer.listeners

    names = names_for(listener, load_balancer)

    assert {"localhost", "*.localhost", "app.localhost", "web.localhost"} <= {*names}
    assert {"shop.example.com", "*.shop.test", "127.0.0.1", "::1"} <= {*names}
    assert not any("?" in name or name.startswith("a*") for name in names)


def test_what_was_issued_stays_until_names_are_added(tmp_path: Path) -> None:
    local = LocalCertificates(tmp_path / "tls", tmp_path / "ca")

    files = files_of(local.complete(front("a.test", "b.test")))
    first = Path(files.certificate).read_text()
    fewer = files_of(local.complete(front("a.test")))
    assert first == Path(fewer.certificate).read_text()
    more = files_of(local.complete(front("a.test", "b.test", "c.test")))

    assert first != Path(more.certificate).read_text()
    assert {0o600} == {mode(path) for path in (tmp_path / "tls").iterdir()}
    assert 0o700 == mode(tmp_path / "tls")
    assert () == read_pair(more, DEFAULT_POLICY, LocalDisk(Path("/"))).warnings


def test_a_pair_that_was_half_written_is_issued_anew(tmp_path: Path) -> None:
    local = LocalCertificates(tmp_path / "tls", tmp_path / "ca")
    files = files_of(local.complete(front()))
    other = Authority.open(tmp_path / "ca", utc_now()).issue(["x.test"], utc_now())
    Path(files.private_key).write_text(other.key)

    again = files_of(local.complete(front()))

    assert () == read_pair(again, DEFAULT_POLICY, LocalDisk(Path("/"))).warnings


def test_one_is_good_for_two_thirds_of_its_time_and_for_its_authority(
    tmp_path: Path,
) -> None:
    now = utc_now()
    ours, other = (Authority.open(tmp_path / name, now) for name in ("ca", "other"))
    issued = ours.issue(["a.test", "127.0.0.1"], now)

    assert ours.serves(issued, ["a.test", "127.0.0.1"], now)
    assert not ours.serves(issued, ["a.test", "b.test"], now)
    assert not ours.serves(issued, ["a.test"], now + timedelta(days=61))
    assert not other.serves(issued, ["a.test"], now)
    assert not ours.serves(Issued("", ""), ["a.test"], now)


def test_listeners_that_have_certificates_or_need_none_are_left_alone(
    tmp_path: Path,
) -> None:
    plain = LoadBalancer("front", listeners=(Listener(80, NOTHING),))

    local = LocalCertificates(tmp_path / "tls", tmp_path / "ca")

    assert plain == local.complete(plain)
    assert [] == [*tmp_path.iterdir()]


# --- the command ----------------------------------------------------------------------


def test_the_command_tells_where_the_authority_is_and_installs_nothing(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = ["-f", str(tmp_path / "alb.yaml")]

    assert 0 == cli.main(["certs", *file])
    told = capsys.readouterr().out
    assert 0 == cli.main(["certs", "--path"])

    assert f"curl --cacert {home}/ca.pem" in told
    assert "update-ca-certificates" in told or "add-trusted-cert" in told
    assert f"{home}/ca.pem\n" == capsys.readouterr().out


def test_the_command_issues_a_pair_to_write_into_the_cluster_file(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["certs", "*.shop.test", "shop.test", "--out", str(tmp_path)]

    assert 0 == cli.main(words)

    certificate, key = tmp_path / "_.shop.test.pem", tmp_path / "_.shop.test.key"
    assert (
        f"certificates: [{{certificate: {certificate}, privateKey: {key}}}]\n"
        == capsys.readouterr().out
    )
    assert 0o600 == mode(key)
    files = CertificateFiles(str(certificate), str(key))
    found = read_pair(files, DEFAULT_POLICY, LocalDisk(Path("/")))
    assert ("*.shop.test", "shop.test") == found.certificate.offer.names


def test_an_authority_that_cannot_be_used_is_status_1(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home.mkdir(parents=True)
    (home / "ca.pem").write_text("nothing")
    (home / "ca.key").write_text("nothing")

    assert 1 == cli.main(["certs"])
    assert "damaged" in capsys.readouterr().err
