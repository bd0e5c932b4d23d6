from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from joserfc import jws
from joserfc.jwk import OKPKey

from strangler.ladder import Arm
from strangler.ports.context import Context, User
from strangler.ports.trust import keys, tokens
from strangler.ports.trust.keys import Keyring, generate
from strangler.ports.trust.tokens import (
    LEEWAY,
    LIFETIME,
    Remembered,
    TokenRefused,
    Use,
    mint,
    verify,
)

ACTION = "catalog.product"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    for party in ("monolith", "catalog", "pricing"):
        generate(folder, party)
    return folder


@pytest.fixture(scope="module")
def monolith(folder: Path) -> Keyring:
    return Keyring.load(folder, "monolith")


@pytest.fixture(scope="module")
def catalog(folder: Path) -> Keyring:
    return Keyring.load(folder, "catalog")


def claims_of(token: str) -> dict[str, Any]:
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


def signed(
    keyring: Keyring,
    *,
    header: dict[str, Any] | None = None,
    key: OKPKey | None = None,
    drop: Sequence[str] = (),
    **changes: Any,
) -> str:
    """A token with whatever claims and header a test wants, rightly signed."""
    now = time.time()
    claims = {
        "iss": keyring.party,
        "aud": "catalog",
        "use": "port",
        "act": ACTION,
        "iat": now,
        "exp": now + LIFETIME,
        **changes,
    }
    claims = {name: value for name, value in claims.items() if name not in drop}
    head = {"alg": "Ed25519", "kid": keyring.party, "typ": "strangler+jwt", **(header or {})}
    registry = jws.JWSRegistry(algorithms=["Ed25519"], strict_check_header=False)
    body = json.dumps(claims).encode()
    return jws.serialize_compact(head, body, key or keyring.own, registry=registry)


def checked(keyring: Keyring, token: str, **changes: Any) -> Context:
    return verify(keyring, token, **{"use": Use.PORT, "action": ACTION} | changes)


def refused(keyring: Keyring, token: str, **changes: Any) -> str:
    with pytest.raises(TokenRefused) as caught:
        checked(keyring, token, **changes)
    return str(caught.value)


def test_a_context_arrives_as_it_was_sent(monolith: Keyring, catalog: Keyring):
    sent = Context(
        user=User("7", ("customer", "staff")),
        cohort=999,
        hops=2,
        shadow=True,
        forced={"pricing": Arm.SERVICE},
    )
    token = mint(monolith, sent, audience="catalog", use=Use.PORT, action=ACTION)
    arrived = checked(catalog, token)
    assert arrived.caller == "monolith"
    assert arrived.user == User("7", ("customer", "staff"))
    assert (arrived.cohort, arrived.hops, arrived.shadow) == (999, 2, True)
    assert arrived.forced == {"pricing": Arm.SERVICE}


def test_a_rehearsal_is_a_shadow_s(monolith: Keyring, catalog: Keyring):
    for shadow in (True, False):
        sent = Context(shadow=shadow, rehearsal=True)
        token = mint(monolith, sent, audience="catalog", use=Use.PORT, action=ACTION)
        assert checked(catalog, token).rehearsal is shadow
    assert minted_for(monolith, rehearsal=True) != minted_for(monolith, rehearsal=False)


def minted_for(keyring: Keyring, *, rehearsal: bool) -> str:
    context = Context(shadow=True, rehearsal=rehearsal)
    return mint(keyring, context, audience="catalog", use=Use.PORT, action=ACTION)


def test_an_empty_context_arrives_too(monolith: Keyring, catalog: Keyring):
    token = mint(monolith, Context(), audience="catalog", use=Use.PORT, action=ACTION)
    arrived = checked(catalog, token)
    assert (arrived.user, arrived.cohort, arrived.hops, arrived.shadow) == (None, None, 0, False)
    assert not arrived.forced


def test_the_caller_is_who_signed_and_not_who_the_context_says(monolith: Keyring, catalog: Keyring):
    context = Context(caller="pricing")
    token = mint(monolith, context, audience="catalog", use=Use.PORT, action=ACTION)
    assert checked(catalog, token).caller == "monolith"


def test_a_query_token_is_used_again_for_the_same_content_and_not_for_long(monolith: Keyring):
    def minted(
        context: Context,
        *,
        now: float = 1000.0,
        action: str = ACTION,
        audience: str = "catalog",
        use: Use = Use.PORT,
    ) -> str:
        return mint(monolith, context, audience=audience, use=use, action=action, now=now)

    first = minted(Context(cohort=1))
    assert minted(Context(cohort=1), now=1000.0 + tokens.REUSE - 1) == first
    others = [
        minted(Context(cohort=1), now=1000.0 + tokens.REUSE),
        minted(Context(cohort=2)),
        minted(Context(cohort=1, user=User("7"))),
        minted(Context(cohort=1, user=User("7", ("staff",)))),
        minted(Context(cohort=1, shadow=True)),
        minted(Context(cohort=1, hops=1)),
        minted(Context(cohort=1, forced={"catalog": Arm.SERVICE})),
        minted(Context(cohort=1), action="catalog.products"),
        minted(Context(cohort=1), audience="pricing"),
        minted(Context(cohort=1), use=Use.HTTP),
    ]
    assert len({first, *others}) == len(others) + 1


def test_a_command_token_is_good_once_and_for_its_body(monolith: Keyring, catalog: Keyring):
    def minted() -> str:
        return mint(
            monolith,
            Context(),
            audience="catalog",
            use=Use.PORT,
            action=ACTION,
            once=True,
            body=b"{}",
        )

    replays = Remembered()
    token = minted()
    assert minted() != token
    assert "body" in refused(catalog, token, once=True, body=b"{ }", replays=replays)
    checked(catalog, token, once=True, body=b"{}", replays=replays)
    assert "before" in refused(catalog, token, once=True, body=b"{}", replays=replays)


def test_replays_are_remembered_by_the_process_if_nobody_else_does(
    monolith: Keyring, catalog: Keyring
):
    token = mint(
        monolith, Context(), audience="catalog", use=Use.PORT, action=ACTION, once=True, body=b"1"
    )
    checked(catalog, token, once=True, body=b"1")
    assert "before" in refused(catalog, token, once=True, body=b"1")


def test_a_query_token_opens_no_command(monolith: Keyring, catalog: Keyring):
    token = mint(monolith, Context(), audience="catalog", use=Use.PORT, action=ACTION)
    assert "jti" in refused(catalog, token, once=True)
    assert "body" in refused(catalog, token, once=True, body=b"{}")


def test_a_full_replay_guard_lets_nobody_in_until_it_may_forget():
    guard = Remembered(limit=2)
    soon = time.time() + 100
    assert guard.first("a", "1", soon)
    assert guard.first("b", "1", time.time() - 1)
    assert guard.first("a", "2", soon)  # the expired one made room
    with pytest.raises(TokenRefused):
        guard.first("a", "3", soon)
    assert not guard.first("a", "1", soon)


def b64(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def unsigned(monolith: Keyring) -> str:
    head = b64(b'{"alg":"none","kid":"monolith","typ":"strangler+jwt"}')
    return f"{head}.{signed(monolith).split('.')[1]}."


def hs256_with_the_public_key(monolith: Keyring) -> str:
    """The classic: the public key, which everybody has, taken for a shared secret."""
    head = b64(b'{"alg":"HS256","kid":"monolith","typ":"strangler+jwt"}')
    data = f"{head}.{signed(monolith).split('.')[1]}"
    secret = base64.urlsafe_b64decode(monolith.own.as_dict(private=False)["x"] + "==")
    return f"{data}.{b64(hmac.new(secret, data.encode(), hashlib.sha256).digest())}"


def altered_payload(monolith: Keyring) -> str:
    head, payload, signature = signed(monolith).split(".")
    claims = base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
    return f"{head}.{b64(claims.replace(b'monolith', b'monolitH'))}.{signature}"


def altered_signature(monolith: Keyring) -> str:
    head, payload, signature = signed(monolith).split(".")
    return f"{head}.{payload}.{'A' * 8}{signature[8:]}"


FORGED = {
    "alg none": (unsigned, "none"),
    "HS256 with the public key": (hs256_with_the_public_key, "HS256"),
    "EdDSA, the former name": (lambda m: renamed(m, "EdDSA"), "EdDSA"),
    "altered payload": (altered_payload, "signature"),
    "altered signature": (altered_signature, "signature"),
    "no signature": (lambda m: signed(m).rpartition(".")[0] + ".", "signature"),
    "a stranger's key": (
        lambda m: signed(m, key=OKPKey.generate_key("Ed25519")),
        "signature is not that",
    ),
    "unknown kid": (lambda m: signed(m, header={"kid": "mallory"}), "mallory"),
    "another typ": (lambda m: signed(m, header={"typ": "JWT"}), "JWT"),
    "more in the header": (lambda m: signed(m, header={"jwk": {}}), "not a token"),
    "another's name": (lambda m: signed(m, iss="pricing"), "from 'pricing'"),
    "foreign audience": (lambda m: signed(m, aud="pricing"), "aud"),
    "another face": (lambda m: signed(m, use="http"), "use"),
    "no such face": (lambda m: signed(m, use="everything"), "claims"),
    "another action": (lambda m: signed(m, act="catalog.reprice"), "act"),
    "expired": (lambda m: signed(m, iat=time.time() - 20, exp=time.time() - LEEWAY - 1), "exp"),
    "not yet": (
        lambda m: signed(m, iat=time.time() + LEEWAY + 2, exp=time.time() + LIFETIME),
        "iat",
    ),
    "lives too long": (lambda m: signed(m, exp=time.time() + LIFETIME + 60), "at most"),
    "lives for ever": (lambda m: signed(m, exp=1e300), "at most"),
    "cohort out of range": (lambda m: signed(m, coh=1000), "coh"),
    "negative hops": (lambda m: signed(m, hop=-1), "hop"),
    "forced to nowhere": (lambda m: signed(m, frc={"catalog": "moon"}), "frc"),
    **{f"no {claim}": (lambda m, c=claim: signed(m, drop=[c]), claim)
       for claim in ("iss", "aud", "use", "act", "iat", "exp")},
    "empty": (lambda m: "", "not a token"),
    "two parts": (lambda m: "a.b", "not a token"),
    "not base64": (lambda m: "ä.b.c", "not a token"),
    "header no JSON": (lambda m: f"{b64(b'x')}.{b64(b'x')}.{b64(b'x')}", "not a token"),
    "header no object": (lambda m: f"{b64(b'[]')}.{b64(b'x')}.{b64(b'x')}", "not a token"),
    "very long": (lambda m: "a" * 9000, "8192"),
}  # fmt: skip


def renamed(monolith: Keyring, algorithm: str) -> str:
    head = b64(json.dumps({"alg": algorithm, "kid": "monolith", "typ": "strangler+jwt"}).encode())
    _, payload, signature = signed(monolith).split(".")
    return f"{head}.{payload}.{signature}"


@pytest.mark.parametrize("name", FORGED)
def test_what_proves_nothing_is_refused_and_says_why(
    monolith: Keyring, catalog: Keyring, name: str
):
    forge, reason = FORGED[name]
    token = forge(monolith)
    for _ in range(2):  # from a cache as well
        assert reason in refused(catalog, token)


def test_a_stranger_does_not_learn_whose_keys_are_here(
    monolith: Keyring,
    catalog: Keyring,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
):
    unknown = signed(monolith, header={"kid": "mallory"})
    known = signed(monolith, key=OKPKey.generate_key("Ed25519"))
    told = set()
    for token in (unknown, known):
        # It is said once a second, and another test may just have heard it.
        monkeypatch.setattr(tokens, "_quiet", tokens._Quiet())
        with pytest.raises(TokenRefused) as caught:
            checked(catalog, token)
        told.add(caught.value.reason)
    assert told == {tokens.NOTHING}
    assert [record.getMessage() for record in caplog.records] == [
        "a token is refused: no public key of 'mallory' (kid) here",
        "a token is refused: the signature is not that of 'monolith'",
    ]
    for _ in range(20):
        refused(catalog, unknown)
    assert len(caplog.records) == 2
    monkeypatch.setattr(tokens, "_quiet", tokens._Quiet())
    refused(catalog, signed(monolith, header={"kid": "m" * 5000}))
    assert len(caplog.records[-1].getMessage()) < 200


def test_a_token_for_a_body_at_a_target_is_good_for_no_other(monolith: Keyring, catalog: Keyring):
    def minted() -> str:
        return mint(
            monolith,
            Context(),
            audience="catalog",
            use=Use.HTTP,
            action="catalog PUT",
            once=True,
            body=b"b",
            target="/a?c=1",
        )

    given: dict[str, Any] = {"use": Use.HTTP, "action": "catalog PUT", "once": True}
    for target, body in [("/a", b"b"), ("/a?c=2", b"b"), ("/a?c=1", b"c")]:
        assert "target" in refused(catalog, minted(), body=body, target=target, **given)
    assert "body" in refused(catalog, minted(), body=b"b", **given)
    checked(catalog, minted(), body=b"b", target="/a?c=1", **given)


def test_a_right_token_of_the_same_making_passes(monolith: Keyring, catalog: Keyring):
    assert checked(catalog, signed(monolith)).caller == "monolith"


def test_clocks_may_differ_a_little(monolith: Keyring, catalog: Keyring):
    now = time.time()
    # Nobody else's: one that was minted a little before would be used again.
    mine = Context(cohort=678)
    token = mint(monolith, mine, audience="catalog", use=Use.PORT, action=ACTION, now=now)
    for skew in (-LEEWAY + 1, 0, LIFETIME + LEEWAY - 1):
        checked(catalog, token, now=now + skew)
    assert "iat" in refused(catalog, token, now=now - LEEWAY - 1)
    assert "exp" in refused(catalog, token, now=now + LIFETIME + LEEWAY)


def test_what_was_found_good_once_is_checked_again_for_what_is_asked(
    monolith: Keyring, catalog: Keyring
):
    token = mint(monolith, Context(cohort=77), audience="catalog", use=Use.PORT, action=ACTION)
    checked(catalog, token)
    assert "act" in refused(catalog, token, action="catalog.reprice")
    assert "use" in refused(catalog, token, use=Use.HTTP)
    pricing = Keyring("pricing", catalog.own, catalog.parties)
    assert "aud" in refused(pricing, token)


def test_a_party_that_is_not_known_any_more_is_refused_at_once(monolith: Keyring, catalog: Keyring):
    token = mint(monolith, Context(cohort=78), audience="catalog", use=Use.PORT, action=ACTION)
    checked(catalog, token)
    parties = {name: key for name, key in catalog.parties.items() if name != "monolith"}
    assert "no public key" in refused(Keyring("catalog", catalog.own, parties), token)


def test_keys_that_come_change_and_go_count_in_a_running_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(keys, "LOOK", 0.0)
    generate(tmp_path, "catalog")
    catalog = Keyring.load(tmp_path, "catalog")
    generate(tmp_path, "pricing")
    token = signed(Keyring.load(tmp_path, "pricing"))
    assert checked(catalog, token).caller == "pricing"
    for half in ("private", "public"):
        (tmp_path / f"pricing.{half}.json").unlink()
    assert "no public key" in refused(catalog, token)
    generate(tmp_path, "pricing")
    assert "not that of 'pricing'" in refused(catalog, token)
    assert checked(catalog, signed(Keyring.load(tmp_path, "pricing"))).caller == "pricing"


def test_a_token_says_no_more_than_it_must(monolith: Keyring):
    token = mint(monolith, Context(), audience="catalog", use=Use.PORT, action="a.b", now=5.0)
    assert claims_of(token) == {
        "iss": "monolith", "aud": "catalog", "use": "port", "act": "a.b", "iat": 5.0, "exp": 35.0
    }  # fmt: skip


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("held", [tokens._minted, tokens._verified, tokens._remembered])
def test_a_child_process_does_not_inherit_a_held_lock(held: Any):
    with held._lock:
        child = os.fork()
        if child == 0:
            os._exit(0 if held._lock.acquire(blocking=False) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
