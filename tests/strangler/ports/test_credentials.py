from __future__ import annotations

import pytest

from strangler.ports.credentials import speaks_of_one


@pytest.mark.parametrize(
    "name",
    [
        "authorization", "Proxy-Authorization", "cookie", "x-csrftoken", "x-strangler-context",
        "x-api-key", "api_key", "apiKey", "X-Access-Key", "accessKeyId", "refresh_token",
        "new password", "X-JWT-Assertion", "cf-access-jwt-assertion", "client.secret",
    ],
)  # fmt: skip
def test_what_speaks_of_a_credential(name: str):
    assert speaks_of_one(name)


@pytest.mark.parametrize(
    "name", ["", "accept", "x-tenant", "idempotency-key", "x-request-id", "access", "keyboard"]
)
def test_what_does_not(name: str):
    assert not speaks_of_one(name)
