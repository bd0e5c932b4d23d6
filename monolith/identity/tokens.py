"""Access tokens: short-lived, signed, and checked without asking anybody."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from typing import Literal

from django.conf import settings
from joserfc import jwt
from joserfc.errors import JoseError

from contracts.identity import Role
from monolith.identity import keys
from monolith.identity.models import User

TYPE = "at+jwt"
LEEWAY = 5
"""Seconds by which the clocks of two machines may differ."""


class TokenRefused(Exception):
    """Not a token of ours, or not any more; the message is for the client."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Whom an access token speaks for: what DRF knows as the user of a request.

    Not a row: whoever was deactivated keeps a token until it expires, minutes later.
    """

    id: str
    roles: tuple[str, ...]
    is_authenticated: Literal[True] = True
    is_active: Literal[True] = True

    @property
    def pk(self) -> str:
        """The id, under the name that Django's own code asks for."""
        return self.id

    @property
    def is_staff(self) -> bool:
        """Whether they run the shop."""
        return Role.STAFF in self.roles


def issue(user: User) -> str:
    """An access token for this user, good for ``ACCESS_LIFETIME``."""
    signing = keys.current().signing
    now = int(time.time())
    claims = {
        "iss": settings.IDENTITY["ISSUER"],
        "aud": settings.IDENTITY["AUDIENCE"],
        "sub": str(user.pk),
        "iat": now,
        "exp": now + int(settings.IDENTITY["ACCESS_LIFETIME"].total_seconds()),
        "jti": uuid.uuid4().hex,
        "roles": [str(role) for role in user.roles],
    }
    header = {"typ": TYPE, "alg": keys.ALGORITHM, "kid": signing.kid}
    return jwt.encode(header, claims, signing, algorithms=[keys.ALGORITHM])


def verify(token: str) -> Principal:
    """Whom this token speaks for.

    Raises:
        TokenRefused: it is malformed, altered, expired, of another kind, or signed by others.
    """
    registry = jwt.JWTClaimsRegistry(
        leeway=LEEWAY,
        iss={"essential": True, "value": settings.IDENTITY["ISSUER"]},
        aud={"essential": True, "value": settings.IDENTITY["AUDIENCE"]},
        sub={"essential": True},
        iat={"essential": True},
        exp={"essential": True},
        jti={"essential": True},
        roles={"essential": True},
    )
    try:
        found = jwt.decode(token, keys.current().public, algorithms=[keys.ALGORITHM])
        if found.header.get("typ") != TYPE or "kid" not in found.header:
            raise TokenRefused("This is no access token.")
        registry.validate(found.claims)
    except (JoseError, ValueError) as error:
        raise TokenRefused("This access token is not valid, or not any more.") from error
    return Principal(id=str(found.claims["sub"]), roles=tuple(found.claims["roles"]))
