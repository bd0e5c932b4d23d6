"""Sales, and every way in which a model can hang on one of another app."""

# ruff: noqa: DJ008 - nobody reads these rows by a name of theirs

from __future__ import annotations

from django.conf import settings
from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.db import models

from tangled.people.models import Card, Country, Label, Person


class Placed(models.Model):
    """What is placed has an origin."""

    origin = models.ForeignKey(Country, on_delete=models.PROTECT, null=True, related_name="+")

    class Meta:
        abstract = True


class Order(Placed):
    """Hangs on others by foreign keys of every kind, and on none of its own side."""

    parent = models.ForeignKey("self", on_delete=models.CASCADE, null=True)
    customer = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="purchases",
        help_text="Who pays.",
    )
    country = models.ForeignKey(
        Country, on_delete=models.PROTECT, to_field="code", db_column="land", default="DE"
    )
    card = models.ForeignKey(Card, on_delete=models.SET_NULL, null=True, db_index=False)
    label = models.ForeignKey(Label, on_delete=models.DO_NOTHING, null=True, related_name="+")
    agent = models.ForeignKey(
        Person, on_delete=models.SET_NULL, null=True, blank=True, db_constraint=False
    )
    number = models.IntegerField()
    labels = models.ManyToManyField(Label, related_name="tagged")
    watchers = models.ManyToManyField(settings.AUTH_USER_MODEL, through="Watch")

    class Meta:
        ordering = ("-customer", "number")
        unique_together = (("country", "number"),)
        constraints = (
            models.UniqueConstraint(fields=("customer", "number"), name="sales_number_once"),
        )
        indexes = (models.Index(fields=("customer", "-number"), name="sales_newest"),)


class Watch(models.Model):
    """Who watches which order."""

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="+")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")


class Profile(models.Model):
    """Has the key of somebody else as its own."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, primary_key=True)
    points = models.IntegerField(default=0)


class Remark(models.Model):
    """May be about anything."""

    content_type = models.ForeignKey(ContentType, on_delete=models.CASCADE)
    object_id = models.PositiveIntegerField()
    about = GenericForeignKey()


class Customer(Person):
    """A person, and more: half of its row is the parent's."""

    since = models.IntegerField()


class Contact(Person):
    """A person by another name."""

    class Meta:
        proxy = True


class Visit(models.Model):
    """Points to a proxy, so to the rows of what that stands for."""

    contact = models.ForeignKey(Contact, on_delete=models.CASCADE)


class Ledger(models.Model):
    """A table that is none of Django's business."""

    owner = models.ForeignKey(Person, on_delete=models.DO_NOTHING)

    class Meta:
        managed = False
        db_table = "ledger"


class Rating(models.Model):
    """Names what it points to in places that no migration rewrites by itself."""

    person = models.ForeignKey(Person, on_delete=models.CASCADE)
    reviewer = models.ForeignKey(Person, on_delete=models.CASCADE, null=True, related_name="+")

    class Meta:
        ordering = ("person__name",)
        constraints = (
            models.UniqueConstraint(
                fields=("id",), condition=models.Q(reviewer__isnull=True), name="sales_rating_once"
            ),
        )
