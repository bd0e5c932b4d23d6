"""What OpenAPI says about access tokens."""

from __future__ import annotations

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema


class TokenScheme(OpenApiAuthenticationExtension):
    """``Authorization: Bearer …``."""

    target_class = "monolith.identity.authentication.TokenAuthentication"
    name = "accessToken"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:  # noqa: ARG002 -- its signature
        """A bearer token in the form of a JWT."""
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
