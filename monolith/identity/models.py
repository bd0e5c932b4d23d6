"""Identity's tables."""

from __future__ import annotations

import uuid

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models.functions import Lower

from contracts.identity import Role


class User(AbstractUser):
    """Somebody who can log in. ``is_staff`` makes them staff; everybody is a customer."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    email = models.EmailField()

    class Meta:
        constraints = [
            models.UniqueConstraint(Lower("username"), name="identity_username_any_case"),
            models.UniqueConstraint(Lower("email"), name="identity_email_any_case"),
        ]

    @property
    def roles(self) -> list[Role]:
        """What this user may do."""
        return [Role.CUSTOMER, Role.STAFF] if self.is_staff else [Role.CUSTOMER]


class RefreshToken(models.Model):
    """One refresh token, of which only the digest is kept.

    Each may be used once, and the one that replaces it belongs to the same family. A used one that
    comes again was stolen, from the user or by them: the whole family ends.
    """

    digest = models.CharField(max_length=64, primary_key=True)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="refresh_tokens")
    family = models.UUIDField(default=uuid.uuid4, db_index=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)
    used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.user_id} {self.family}"
