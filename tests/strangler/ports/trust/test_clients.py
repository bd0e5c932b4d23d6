"""The clients that have a key: a file without a key in it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from strangler.ports.trust import clients
from strangler.ports.trust.clients import ClientsUnusable


def test_a_client_may_have_several_keys_and_lose_one_or_all(tmp_path: Path) -> None:
    assert clients.read(tmp_path / "none") == ()
    one, text = clients.add(tmp_path, "acme", ["pricing"])
    other, _ = clients.add(tmp_path, "acme")
    third, _ = clients.add(tmp_path, "zeta")
    assert clients.read(tmp_path) == (one, other, third)
    assert (one.capabilities, other.capabilities) == (("pricing",), ())
    assert clients.digest(text) == one.digest
    assert text.startswith(f"{one.known}.")

    assert clients.revoke(tmp_path, "acm") == ()
    assert clients.revoke(tmp_path, one.known) == (one,)
    assert clients.revoke(tmp_path, "acme") == (other,)
    assert clients.read(tmp_path) == (third,)


def test_what_is_written_is_its_owner_s_alone_and_has_no_key(tmp_path: Path) -> None:
    _, text = clients.add(tmp_path / "keys", "acme")
    path = tmp_path / "keys" / clients.FILE
    assert path.stat().st_mode & 0o777 == 0o600
    assert text.split(".")[2] not in path.read_text()
    assert [one.name for one in path.parent.iterdir()] == [clients.FILE]


@pytest.mark.parametrize("name", ["", "Acme", "-a", "a.b", 'a"', "a" * 41, "a\n"])
def test_not_everybody_can_be_called_anything(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="is no name"):
        clients.add(tmp_path, name)


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"\xff",
        b"{}",
        b'[{"client": "a", "id": "1"}]',
        b'[{"client": "a\\n", "id": "01234567", "digest": "aaaaaaaaaaaaaaaaaaaaaa"}]',
        b'[{"client": "a", "id": "01234567", "digest": "\\"; return 200; aaaaaaaaa"}]',
    ],
)
def test_what_is_none_of_ours_is_not_believed(tmp_path: Path, content: bytes) -> None:
    (tmp_path / clients.FILE).write_bytes(content)
    with pytest.raises(ClientsUnusable, match=clients.FILE):
        clients.read(tmp_path)
    with pytest.raises(ClientsUnusable):
        clients.add(tmp_path, "acme")
    assert (tmp_path / clients.FILE).read_bytes() == content


def test_a_folder_that_can_t_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ClientsUnusable, match="file"):
        clients.add(tmp_path / "file", "acme")


def test_what_is_revoked_holds_no_more_whoever_adds_at_that_moment(tmp_path: Path) -> None:
    names = [f"gone-{number}" for number in range(20)]
    for name in names:
        clients.add(tmp_path, name)
    with ThreadPoolExecutor(4) as several:
        list(several.map(lambda name: clients.revoke(tmp_path, name), names))
        list(several.map(lambda number: clients.add(tmp_path, f"new-{number}"), range(20)))
    assert {one.client for one in clients.read(tmp_path)} == {f"new-{n}" for n in range(20)}
