"""Sockets and the token are made so that no other user gets a moment's chance."""

import json
import os
import socket
import stat
import threading
from pathlib import Path

import pytest

from controlplane.api import doors, token


def test_the_unix_socket_is_private_and_replaces_a_dead_one(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    doors.open_unix(path).close()

    with doors.open_unix(path):
        assert 0o600 == stat.S_IMODE(path.stat().st_mode)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))


def test_the_umask_is_put_back(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        doors.open_unix(tmp_path / "control.sock").close()
        assert 0o022 == os.umask(0o022)
    finally:
        os.umask(before)


def test_a_file_in_the_socket_s_place_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    path.write_text("precious")

    with pytest.raises(doors.NoDoor, match="is not a socket"):
        doors.open_unix(path)
    assert "precious" == path.read_text()


def test_a_name_too_long_for_a_socket_is_said(tmp_path: Path) -> None:
    with pytest.raises(doors.NoDoor, match="too long"):
        doors.open_unix(tmp_path / ("x" * 200))


def test_a_taken_port_means_the_next_free_one() -> None:
    with doors.open_tcp("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with doors.open_tcp("127.0.0.1", port) as second:
            assert port < second.getsockname()[1] < port + doors.PORT_TRIES
            assert doors.url_of(second).startswith("http://127.0.0.1:")


def test_an_address_that_is_not_here_is_said() -> None:
    with pytest.raises(doors.NoDoor, match=r"192\.0\.2\.1:4566"):
        doors.open_tcp("192.0.2.1", 4566)


def test_where_control_listens_is_written_down(tmp_path: Path) -> None:
    doors.tell(tmp_path / "control.json", "http://127.0.0.1:4566")

    told = json.loads((tmp_path / "control.json").read_text())
    assert {"control": "http://127.0.0.1:4566", "pid": os.getpid()} == told


def test_the_token_is_made_once_private_and_long(tmp_path: Path) -> None:
    path = tmp_path / "token"
    first = token.read_or_make(path)

    assert first == token.read_or_make(path) == path.read_text().strip()
    assert len(first) >= 43  # 32 bytes in base64
    assert 0o600 == stat.S_IMODE(path.stat().st_mode)
    assert ["token"] == [file.name for file in tmp_path.iterdir()]
    assert first != token.read_or_make(tmp_path / "other")


def test_a_token_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "token"
    token.read_or_make(path)
    path.chmod(0o640)

    with pytest.raises(token.TokenExposed, match="must be a file of yours"):
        token.read_or_make(path)


def test_a_link_in_the_token_s_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("x" * 64)
    (tmp_path / "elsewhere").chmod(0o600)
    (tmp_path / "token").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(token.TokenExposed):
        token.read_or_make(tmp_path / "token")


def test_a_token_that_was_cut_off_is_made_again(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("")
    path.chmod(0o600)

    assert len(token.read_or_make(path)) >= 43


def test_nobody_gets_in_while_the_socket_is_made(tmp_path: Path) -> None:
    """Watch the file's mode from a thread: it is never anything but 0600."""
    path = tmp_path / "control.sock"
    modes: set[int] = set()
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            try:
                modes.add(stat.S_IMODE(path.stat().st_mode))
            except FileNotFoundError:
                continue

    watcher = threading.Thread(target=watch)
    watcher.start()
    for _ in range(50):
        doors.open_unix(path).close()
    done.set()
    watcher.join()

    assert modes <= {0o600}
