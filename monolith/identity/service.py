"""What identity can do: its port for other contexts, and what its own face needs beyond that."""

from __future__ import annotations

from uuid import UUID

from django.contrib.auth import authenticate
from django.db import IntegrityError, transaction

from contracts import identity
from contracts.identity import UnknownUser
from monolith.identity import sessions
from monolith.identity.models import User
from strangler.ports.errors import DeclaredError


class UsernameTaken(DeclaredError, status=409):
    """Somebody has this name already."""

    username: str


class EmailTaken(DeclaredError, status=409):
    """There is an account with this address already."""

    email: str


class WrongPassword(DeclaredError, status=401):
    """Name and password do not fit."""


class IdentityService(identity.Identity):
    """Identity's port, answered from its tables."""

    def account(self, user: str) -> identity.Account:
        """One user by id."""
        try:
            key = UUID(user)
        except ValueError:
            raise UnknownUser(user=user) from None
        row = User.objects.filter(pk=key).first()
        if row is None:
            raise UnknownUser(user=user)
        return shared(row)


def shared(row: User) -> identity.Account:
    """A user as other contexts may know them."""
    return identity.Account(str(row.pk), row.username, row.email, row.roles)


def register(*, username: str, email: str, password: str) -> User:
    """A new customer; whoever calls has checked the password.

    Raises:
        UsernameTaken: in any case of letters.
        EmailTaken: ditto.
    """
    try:
        with transaction.atomic():
            return User.objects.create_user(username, email, password)
    except IntegrityError:
        name = User.normalize_username(username)
        if User.objects.filter(username=name).exists():
            raise UsernameTaken(username=username) from None
        raise EmailTaken(email=email) from None


def log_in(*, username: str, password: str) -> sessions.Pair:
    """A new session for whoever knows the password.

    Raises:
        WrongPassword: there is no such active user, or it is not their password.
    """
    user = authenticate(username=username, password=password)
    if not isinstance(user, User):
        raise WrongPassword
    return sessions.begin(user)


def change_password(user: User, *, current: str, new: str) -> sessions.Pair:
    """Another password from now on: every session ends, and a new one begins.

    Raises:
        WrongPassword: ``current`` is not it.
    """
    if not user.check_password(current):
        raise WrongPassword
    with transaction.atomic():
        user.set_password(new)
        user.save(update_fields=["password"])
        sessions.end_all(user)
        return sessions.begin(user)
