"""Sessions of API clients: an access token, and a refresh token that buys the next pair."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from uuid import UUID, uuid4

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from monolith.identity import tokens
from monolith.identity.models import RefreshToken, User
from strangler.ports.errors import DeclaredError


class InvalidRefreshToken(DeclaredError, status=401):
    """This refresh token is unknown, expired, or was used before: log in again."""


@dataclass(frozen=True, slots=True)
class Pair:
    """What a client holds. ``expires_in`` is in seconds, and the access token's."""

    access: str
    refresh: str
    token_type: str
    expires_in: int


def begin(user: User, *, family: UUID | None = None) -> Pair:
    """A new session, or the next pair of one."""
    refresh = secrets.token_urlsafe(32)
    now = timezone.now()
    RefreshToken.objects.create(
        digest=_digest(refresh),
        user=user,
        family=family or uuid4(),
        created_at=now,
        expires_at=now + settings.IDENTITY["REFRESH_LIFETIME"],
    )
    lifetime = int(settings.IDENTITY["ACCESS_LIFETIME"].total_seconds())
    return Pair(tokens.issue(user), refresh, "Bearer", lifetime)


def renew(refresh: str) -> Pair:
    """The next pair for a refresh token, which is used up by this.

    Raises:
        InvalidRefreshToken: it is unknown, expired or revoked; or was used before, and then the
            whole session has ended, because one of the two who hold it stole it.
    """
    now = timezone.now()
    with transaction.atomic():
        rows = RefreshToken.objects.select_for_update(of=("self",)).select_related("user")
        row = rows.filter(digest=_digest(refresh)).first()
        if row is not None and row.used_at is not None:
            _revoke(row.family)
        elif row is not None and not row.revoked_at and row.expires_at > now and row.user.is_active:
            row.used_at = now
            row.save(update_fields=["used_at"])
            return begin(row.user, family=row.family)
    raise InvalidRefreshToken


def end(refresh: str) -> None:
    """Log out; again, or with a token that nobody knows, is no error."""
    row = RefreshToken.objects.filter(digest=_digest(refresh)).first()
    if row is not None:
        _revoke(row.family)


def end_all(user: User) -> None:
    """Log out everywhere."""
    user.refresh_tokens.filter(revoked_at=None).update(revoked_at=timezone.now())


def purge() -> int:
    """Forget tokens that have expired; how many there were."""
    return RefreshToken.objects.filter(expires_at__lt=timezone.now()).delete()[0]


def _revoke(family: UUID) -> None:
    rows = RefreshToken.objects.filter(family=family, revoked_at=None)
    rows.update(revoked_at=timezone.now())


def _digest(refresh: str) -> str:
    return hashlib.sha256(refresh.encode()).hexdigest()
