"""The file of session keys: whole, private, and never in the way."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from alb.drivers.key_file import read_keys, write_keys
from alb.ports import SessionKey

KEYS = (
    SessionKey("0000000a", "AAAAAAAAAAAAAAAAAAAAAA==", 5),
    SessionKey("0000000b", "AAAAAAAAAAAAAAAAAAAAAQ==", 7),
)


def test_what_was_written_is_read_and_only_the_owner_may(tmp_path: Path) -> None:
    path = tmp_path / "session.keys"
    write_keys(path, KEYS[:1])
    write_keys(path, KEYS)
    assert KEYS == read_keys(path)
    assert 0o600 == stat.S_IMODE(path.stat().st_mode)
    assert [path] == [*tmp_path.iterdir()], "nothing lies beside it"


def test_where_nothing_is_there_are_no_keys(tmp_path: Path) -> None:
    assert () == read_keys(tmp_path / "session.keys")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "\x00\xff",
        '{"keys": [1]}',
        '{"keys": [{"id": "zz", "secret": "", "from_unix_s": 1}]}',
        '{"keys": [{"id": "0000000a", "secret": "AAAA", "from_unix_s": 1}]}',
        '{"keys": [{"id": 7, "secret": null, "from_unix_s": "x"}]}',
    ],
)
def test_what_is_no_file_of_keys_has_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "session.keys"
    path.write_text(text)
    assert () == read_keys(path)
