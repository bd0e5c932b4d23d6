"""The help desk: it points into sales."""

# ruff: noqa: DJ008 - nobody reads these rows by a name of theirs

from __future__ import annotations

from django.contrib.contenttypes.fields import GenericRelation
from django.db import models

from tangled.people.models import Person
from tangled.sales.models import Order, Remark


class Ticket(models.Model):
    """Points into sales by every kind of field."""

    order = models.ForeignKey(Order, on_delete=models.PROTECT)
    invoice = models.OneToOneField(Order, models.SET_NULL, null=True, related_name="ticket_of")
    others = models.ManyToManyField(Order, related_name="mentioned")
    remarks = GenericRelation(Remark)
    reporter = models.ForeignKey(Person, on_delete=models.CASCADE)


class Refund(Order):
    """An order, and more."""

    reason = models.TextField()
