"""Fills identity with believable customers, and in development with two demo accounts."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from random import Random
from uuid import UUID

from django.conf import settings
from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX, make_password
from django.db import transaction

from monolith.identity.models import User

BATCH = 2000


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


FIRST_NAMES = _words(
    "Ada Aisha Amir Ana Anton Beatriz Bruno Carla Chen Clara David Diego Elena Emil Farah Finn "
    "Greta Hana Hugo Ida Ines Ivan Jana Joao Jonas Katya Kofi Lena Liam Lucia Maja Marco Mei Mila "
    "Nadia Noah Nora Omar Otto Petra Rosa Samir Sofia Tariq Teo Vera Wanda Yara Yusuf Zoe"
)
LAST_NAMES = _words(
    "Abreu Andersen Bauer Berg Blanc Costa Dahl Dubois Eriksen Fischer Garcia Haddad Hansen Horvat "
    "Ito Jansen Keller Kim Kowalski Larsen Lopez Mancini Meyer Moreau Nagy Novak Okafor Olsen "
    "Pereira Petrov Quinn Ricci Rossi Santos Schmidt Silva Singh Tanaka Vidal Weber Wong Yilmaz"
)


def count() -> int:
    """How many users there are."""
    return User.objects.count()


def fill(customers: int, *, seed: int, advance: Callable[[int], object]) -> None:
    """Add customers ``customer-1`` and on, a batch a transaction; ``advance`` hears of each batch.

    In development all have the password of the demo accounts; otherwise nobody can log in as them.
    """
    start = User.objects.filter(username__startswith="customer-").count()
    random = Random(f"{seed}/identity/{start}")  # noqa: S311 -- the same each time is the point
    password = _password()
    rows = (_customer(index + 1, random, password) for index in range(start, start + customers))
    while batch := list(islice(rows, BATCH)):
        with transaction.atomic():
            User.objects.bulk_create(batch)
        advance(len(batch))


def sample(limit: int) -> list[str]:
    """The ids of up to so many customers."""
    rows = User.objects.filter(is_staff=False).order_by("date_joined", "id")
    return [str(key) for key in rows.values_list("id", flat=True)[:limit]]


def demo_accounts() -> dict[str, str]:
    """Make sure of a customer ``demo`` and an administrator ``staff``; their passwords by name.

    Only in development: elsewhere there are none, and nothing is made.
    """
    if not settings.IDENTITY["DEMO_PASSWORD"]:
        return {}
    for name, is_staff in (("demo", False), ("staff", True)):
        User.objects.get_or_create(
            username=name,
            defaults={
                "email": f"{name}@example.com",
                "password": _password(),
                "is_staff": is_staff,
                "is_superuser": is_staff,
            },
        )
    return dict.fromkeys(("demo", "staff"), settings.IDENTITY["DEMO_PASSWORD"])


def _customer(number: int, random: Random, password: str) -> User:
    first, last = random.choice(FIRST_NAMES), random.choice(LAST_NAMES)
    return User(
        id=UUID(int=random.getrandbits(128), version=4),
        username=f"customer-{number}",
        email=f"{first}.{last}.{number}@example.com".lower(),
        first_name=first,
        last_name=last,
        password=password,
    )


def _password() -> str:
    """One hash for all: hashing is slow on purpose, and this password is no secret."""
    demo = settings.IDENTITY["DEMO_PASSWORD"]
    return make_password(demo) if demo else f"{UNUSABLE_PASSWORD_PREFIX}seeded"
