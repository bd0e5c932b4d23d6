from __future__ import annotations

import base64
import json
import stat
import threading
import time
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from joserfc import jwt
from joserfc.jwk import OctKey, OKPKey
from rest_framework.test import APIClient

from monolith.identity import keys, tokens
from monolith.identity.models import User

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada(user: Callable[..., User]) -> User:
    return user("ada")


def claims(user: User, **changes: Any) -> dict[str, Any]:
    now = int(time.time())
    return {
        "iss": "shop",
        "aud": "shop",
        "sub": str(user.pk),
        "iat": now,
        "exp": now + 60,
        "jti": "1",
        "roles": ["customer"],
        **changes,
    }


def signed(body: dict[str, Any], key: Any = None, **header: Any) -> str:
    key = key or keys.current().signing
    head = {"typ": tokens.TYPE, "alg": "Ed25519", "kid": key.kid, **header}
    return jwt.encode(head, body, key, algorithms=[head["alg"]])


def unsigned(header: dict[str, Any], body: dict[str, Any]) -> str:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    return f"{part(header)}.{part(body)}."


def status(token: str) -> int:
    response = APIClient().get("/api/identity/me", headers={"authorization": f"Bearer {token}"})
    if response.status_code == 401:
        assert response.json()["error"] == "InvalidCredentials"
        assert response["WWW-Authenticate"].startswith("Bearer")
    return response.status_code


def test_a_token_that_we_made_is_good(ada: User):
    assert status(tokens.issue(ada)) == 200
    assert status(signed(claims(ada))) == 200


def test_a_token_says_whose_it_is_and_what_they_may_do(user: Callable[..., User]):
    principal = tokens.verify(tokens.issue(user("bo", is_staff=True)))

    assert principal.roles == ("customer", "staff")
    assert principal.is_staff
    assert not tokens.verify(tokens.issue(user("ada"))).is_staff


@pytest.mark.parametrize(
    "change",
    [
        {"exp": int(time.time()) - 60},
        {"iss": "another shop"},
        {"aud": "another shop"},
        {"iat": int(time.time()) + 3600},
        {"nbf": int(time.time()) + 3600},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_token_with_another_claim_is_refused(ada: User, change: dict[str, Any]):
    assert status(signed(claims(ada, **change))) == 401


@pytest.mark.parametrize("claim", ["iss", "aud", "sub", "iat", "exp", "jti", "roles"])
def test_a_token_without_a_claim_is_refused(ada: User, claim: str):
    body = claims(ada)
    del body[claim]

    assert status(signed(body)) == 401


def test_a_foreign_key_is_refused_even_under_the_name_of_ours(ada: User):
    foreign = OKPKey.generate_key("Ed25519")

    assert status(signed(claims(ada), foreign, kid=keys.current().signing.kid)) == 401
    assert status(signed(claims(ada), foreign, kid="another")) == 401


def test_alg_none_is_refused(ada: User):
    kid = keys.current().signing.kid

    assert status(unsigned({"alg": "none", "typ": tokens.TYPE, "kid": kid}, claims(ada))) == 401


def test_the_public_key_is_no_shared_secret(ada: User):
    signing = keys.current().signing
    secret = OctKey.import_key(json.dumps(signing.as_dict(private=False)).ljust(64))

    assert status(signed(claims(ada), secret, alg="HS256", kid=signing.kid)) == 401


def test_another_kind_of_token_is_refused(ada: User):
    assert status(signed(claims(ada), typ="JWT")) == 401


def test_an_altered_token_is_refused(ada: User):
    head, body, signature = tokens.issue(ada).split(".")
    content = json.loads(base64.urlsafe_b64decode(body + "=="))
    content["roles"] = ["customer", "staff"]
    altered = base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()

    assert status(f"{head}.{altered}.{signature}") == 401


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "a.b", "ä", "....", "e30.e30.e30"])
def test_garbage_is_refused(token: str):
    assert status(token) == 401


def test_a_key_set_publishes_no_secret(anybody: APIClient, ada: User):
    tokens.issue(ada)
    response = anybody.get("/api/identity/jwks.json")

    assert response.status_code == 200
    (key,) = response.json()["keys"]
    assert key["kid"] == keys.current().signing.kid
    assert "d" not in key
    assert {"kty", "crv", "x", "alg", "use"} <= set(key)


def test_a_token_outlives_the_rotation_of_its_key(
    ada: User, anybody: APIClient, settings: Any, tmp_path: Path
):
    settings.IDENTITY = {**settings.IDENTITY, "KEYS": str(tmp_path / "keys.json")}
    before = tokens.issue(ada)
    old = keys.current().signing.kid

    call_command("rotate_keys", stdout=StringIO())

    assert keys.current().signing.kid != old
    assert status(before) == 200
    assert status(tokens.issue(ada)) == 200
    assert len(anybody.get("/api/identity/jwks.json").json()["keys"]) == 2

    call_command("rotate_keys", keep=0, stdout=StringIO())

    assert status(before) == 401


def test_keys_may_be_in_the_environment_itself(ada: User, settings: Any, tmp_path: Path):
    path = tmp_path / "keys.json"
    keys.rotate(path, keep=0)
    settings.IDENTITY = {**settings.IDENTITY, "KEYS": path.read_text()}
    path.unlink()

    assert status(tokens.issue(ada)) == 200
    with pytest.raises(CommandError, match="name a file"):
        call_command("rotate_keys")


def test_in_production_no_key_is_made_up(ada: User, settings: Any, tmp_path: Path):
    path = tmp_path / "keys.json"
    settings.IDENTITY = {**settings.IDENTITY, "KEYS": str(path), "MAKE_MISSING_KEYS": False}

    with pytest.raises(ImproperlyConfigured, match="rotate_keys"):
        tokens.issue(ada)
    assert not path.exists()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        '{"keys": []}',
        '{"keys": [{"kty": "oct", "k": "AA", "kid": "1"}]}',
        "[1]",
        '{"keys": 1}',
        json.dumps({"keys": [OKPKey.generate_key("Ed25519").as_dict(private=False, kid="1")]}),
        json.dumps({"keys": [OKPKey.generate_key("Ed25519").as_dict(private=True)]}),
        json.dumps({"keys": [OKPKey.generate_key("X25519").as_dict(private=True, kid="1")]}),
    ],
)
def test_unusable_keys_are_named_with_the_remedy(settings: Any, tmp_path: Path, text: str):
    path = tmp_path / "keys.json"
    path.write_text(text)
    settings.IDENTITY = {**settings.IDENTITY, "KEYS": str(path)}

    with pytest.raises(ImproperlyConfigured, match=r"keys\.json is not a JWK set.*rotate_keys"):
        keys.current()


def test_many_processes_that_start_at_once_agree_on_one_key(settings: Any, tmp_path: Path):
    path = tmp_path / "new" / "keys.json"
    settings.IDENTITY = {**settings.IDENTITY, "KEYS": str(path)}
    found: list[str] = []
    gate = threading.Barrier(8)

    def start() -> None:
        gate.wait()
        found.append(str(keys.current().signing.kid))

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(found) == 8
    assert len(set(found)) == 1
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
