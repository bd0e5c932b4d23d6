from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from joserfc.jwk import ECKey, OKPKey

from strangler.ports.keys import Keyring, KeysUnusable, generate


def test_a_pair_is_one_secret_and_one_public_file(tmp_path: Path):
    generate(tmp_path, "catalog")
    private, public = tmp_path / "catalog.private.json", tmp_path / "catalog.public.json"
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert "d" in json.loads(private.read_text())
    assert "d" not in json.loads(public.read_text())
    assert sorted(tmp_path.iterdir()) == [private, public]


def test_a_pair_that_is_there_is_left_alone(tmp_path: Path):
    generate(tmp_path, "catalog")
    before = (tmp_path / "catalog.private.json").read_text()
    generate(tmp_path, "catalog")
    assert (tmp_path / "catalog.private.json").read_text() == before


def test_a_keyring_has_ones_own_key_and_everybodys_public_ones(tmp_path: Path):
    for party in ("monolith", "catalog", "pricing"):
        generate(tmp_path, party)
    (tmp_path / "pricing.private.json").unlink()
    keyring = Keyring.load(tmp_path, "catalog")
    assert keyring.party == "catalog"
    assert keyring.own.is_private
    assert sorted(keyring.parties) == ["catalog", "monolith", "pricing"]
    assert not any(key.is_private for key in keyring.parties.values())


@pytest.mark.parametrize("party", ["../evil", "", "A", "a.b", "a/b", "9"])
def test_a_party_is_named_plainly(tmp_path: Path, party: str):
    with pytest.raises(ValueError, match="lower case"):
        generate(tmp_path, party)
    assert list(tmp_path.iterdir()) == []


def missing(folder: Path) -> None:
    (folder / "catalog.private.json").unlink()


def no_json(folder: Path) -> None:
    (folder / "catalog.public.json").write_text("{")


def no_key(folder: Path) -> None:
    (folder / "catalog.private.json").write_text('{"kty": "OKP"}')


def not_an_object(folder: Path) -> None:
    (folder / "catalog.private.json").write_text("[1]")


def other_kind(folder: Path) -> None:
    key = ECKey.generate_key("P-256").as_dict(private=True)
    (folder / "catalog.private.json").write_text(json.dumps(key))


def other_curve(folder: Path) -> None:
    key = OKPKey.generate_key("Ed448").as_dict(private=True)
    (folder / "catalog.private.json").write_text(json.dumps(key))


def public_for_private(folder: Path) -> None:
    text = (folder / "catalog.public.json").read_text()
    (folder / "catalog.private.json").write_text(text)


def private_for_public(folder: Path) -> None:
    text = (folder / "catalog.private.json").read_text()
    (folder / "catalog.public.json").write_text(text)


def halves_of_two(folder: Path) -> None:
    key = OKPKey.generate_key("Ed25519").as_dict(private=False)
    (folder / "catalog.public.json").write_text(json.dumps(key))


@pytest.mark.parametrize(
    "spoil",
    [
        missing,
        no_json,
        no_key,
        not_an_object,
        other_kind,
        other_curve,
        public_for_private,
        private_for_public,
        halves_of_two,
    ],
)
def test_unusable_keys_are_refused_by_file_and_remedy(
    tmp_path: Path, spoil: Callable[[Path], None]
):
    generate(tmp_path, "catalog")
    spoil(tmp_path)
    with pytest.raises(KeysUnusable) as refused:
        Keyring.load(tmp_path, "catalog")
    assert str(tmp_path / "catalog.") in str(refused.value)
    assert "generate" in str(refused.value)
