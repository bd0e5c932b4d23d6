from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from joserfc.jwk import ECKey, OKPKey

from strangler.ports.trust import keys
from strangler.ports.trust.keys import Keyring, KeysUnusable, generate


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
    assert "strangler keys catalog" in str(refused.value)


@pytest.fixture
def running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Keyring:
    """The keyring of a process that has run for a while, and looks into its folder each time."""
    monkeypatch.setattr(keys, "LOOK", 0.0)
    for party in ("catalog", "monolith"):
        generate(tmp_path, party)
    return Keyring.load(tmp_path, "catalog")


def test_a_party_whose_key_comes_later_is_known_without_a_restart(tmp_path: Path, running: Keyring):
    assert running.public("pricing") is None
    generate(tmp_path, "pricing")
    found = running.public("pricing")
    assert found is not None
    assert found.thumbprint() == Keyring.load(tmp_path, "pricing").own.thumbprint()
    assert sorted(running.parties) == ["catalog", "monolith", "pricing"]


def test_a_key_that_goes_or_changes_is_noticed_and_the_others_stay(
    tmp_path: Path, running: Keyring
):
    own, before = running.public("catalog"), running.public("monolith")
    for half in ("private", "public"):
        (tmp_path / f"monolith.{half}.json").unlink()
    assert running.public("monolith") is None
    generate(tmp_path, "monolith")
    after = running.public("monolith")
    assert before is not None
    assert after is not None
    assert after.thumbprint() != before.thumbprint()
    assert running.public("catalog") is own


def test_the_folder_is_looked_into_once_in_a_while_and_not_each_time(tmp_path: Path):
    generate(tmp_path, "catalog")
    keyring = Keyring.load(tmp_path, "catalog")
    generate(tmp_path, "pricing")
    assert keyring.public("pricing") is None
    keyring._due = 0.0
    assert keyring.public("pricing") is not None
    (tmp_path / "pricing.public.json").unlink()
    assert keyring.public("pricing") is not None


@pytest.mark.parametrize(
    "party", ["../pricing", "elsewhere/pricing", "/pricing", "pricing\0", "", "..", "Pricing"]
)
def test_no_name_leads_out_of_the_folder(tmp_path: Path, running: Keyring, party: str):
    for folder in (tmp_path / "elsewhere", tmp_path.parent):
        generate(folder, "pricing")
    public = tmp_path / "elsewhere" / "pricing.public.json"
    (tmp_path / "Pricing.public.json").write_text(public.read_text())
    assert running.public(party) is None


def test_a_key_that_comes_spoilt_is_nobodys_until_it_is_mended(
    tmp_path: Path, running: Keyring, caplog: pytest.LogCaptureFixture
):
    public = tmp_path / "pricing.public.json"
    public.write_text("{")
    assert [running.public("pricing") for _ in range(3)] == [None] * 3
    assert caplog.text.count(str(public)) == 1
    public.unlink()
    generate(tmp_path, "pricing")
    assert running.public("pricing") is not None


def test_what_is_known_stays_known_while_the_folder_cannot_be_read(
    tmp_path: Path, running: Keyring, caplog: pytest.LogCaptureFixture
):
    tmp_path.rename(tmp_path.with_name("away"))
    assert running.public("monolith") is not None
    assert str(tmp_path) in caplog.text


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_child_process_looks_for_itself(tmp_path: Path, running: Keyring):
    with running._lock:
        child = os.fork()
        if child == 0:
            generate(tmp_path, "pricing")
            os._exit(0 if running.public("pricing") is not None else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
