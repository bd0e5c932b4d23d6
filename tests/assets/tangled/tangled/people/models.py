"""Users of this project's own, and what else sales has come to know."""

# ruff: noqa: DJ008 - nobody reads these rows by a name of theirs

from __future__ import annotations

import uuid

from django.contrib.auth.models import AbstractBaseUser
from django.db import models


class User(AbstractBaseUser):
    """The model that ``AUTH_USER_MODEL`` names; Django's own is swapped out."""

    USERNAME_FIELD = "email"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    email = models.EmailField(unique=True)


class Country(models.Model):
    """Known by a code, which is not its primary key, and by a positive number, which is."""

    number = models.PositiveSmallIntegerField(primary_key=True)
    code = models.CharField(max_length=2, unique=True)


class Label(models.Model):
    """What is tied to many orders."""

    name = models.SlugField(primary_key=True)


class Person(models.Model):
    """What a customer is one of."""

    name = models.CharField(max_length=50)


class Card(models.Model):
    """A person's card, which has the person's key."""

    person = models.OneToOneField(Person, on_delete=models.CASCADE, primary_key=True)
