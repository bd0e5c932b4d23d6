"""How a request proves whose it is; views know this by its name in the settings only."""

from __future__ import annotations

from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from monolith.identity.tokens import Principal, TokenRefused, verify


class TokenAuthentication(BaseAuthentication):
    """``Authorization: Bearer <access token>``."""

    def authenticate(self, request: Request) -> tuple[Principal, str] | None:
        """Whom the token speaks for; None where there is none."""
        scheme, _, token = get_authorization_header(request).partition(b" ")
        if scheme.lower() != b"bearer":
            return None
        try:
            text = token.strip().decode("ascii")
            return verify(text), text
        except (TokenRefused, UnicodeDecodeError) as error:
            raise AuthenticationFailed(
                "This access token is not valid, or not any more."
            ) from error

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002 -- DRF's signature
        """What a 401 asks for."""
        return 'Bearer realm="shop"'
