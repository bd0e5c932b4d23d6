"""Identity's tables."""

from __future__ import annotations

import unicodedata
import uuid

from django.contrib.auth.models import AbstractUser, UserManager
from django.db import models

from contracts.identity import Role


class Users(UserManager):
    """Finds users however they write their names."""

    @classmethod
    def normalize_email(cls, email: str | None) -> str:
        """In small letters: nobody has two accounts that differ in case alone."""
        return (email or "").strip().lower()

    def get_by_natural_key(self, username: str | None) -> User:
        """By name, in any case."""
        return self.get(username=User.normalize_username(username or ""))


class User(AbstractUser):
    """Somebody who can log in. ``is_staff`` makes them staff; everybody is a customer."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    email = models.EmailField(unique=True)

    objects = Users()

    @classmethod
    def normalize_username(cls, username: str) -> str:
        """One spelling of each name, whatever the database thinks of case."""
        return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", username).casefold())

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
