"""Who asks, where a view has found that out: as ports and their implementations know users."""

from __future__ import annotations

from rest_framework.request import Request

from strangler.ports.context import User, current, use


def user(request: Request) -> User:
    """Whoever sent the request."""
    found = request.user
    return User(id=str(found.pk), roles=tuple(found.roles))


def for_user(request: Request) -> use:
    """Everything inside is done for whoever sent the request."""
    return use(current().replace(user=user(request)))
