"""Who our users are."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from strangler.ports.declare import Port, query
from strangler.ports.errors import DeclaredError


class Role(StrEnum):
    """What a user may do: customers buy, staff run the shop."""

    CUSTOMER = "customer"
    STAFF = "staff"


@dataclass(frozen=True, slots=True)
class Account:
    """One user, as other contexts may know them."""

    id: str
    username: str
    email: str
    roles: list[Role]


class UnknownUser(DeclaredError, status=404):
    """No user has this id."""

    user: str


class Identity(Port, capability="identity"):
    """Who our users are."""

    @query(timeout=1.0, raises=[UnknownUser])
    def account(self, user: str) -> Account:
        """One user by id."""
