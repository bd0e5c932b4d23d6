"""Catalog's tables."""

from __future__ import annotations

import unicodedata
from typing import Any

from django.core.validators import MaxLengthValidator, RegexValidator
from django.db import models

from strangler.django.events.models import EventVersion

SKU = r"[A-Z0-9]+(-[A-Z0-9]+)*"
SKU_LENGTH = 64
PRICE_LIMIT = 10_000_000_000
"""What the price column can't hold any more."""


def searchable(text: str) -> str:
    """Text as it is searched: without case, accents, or the database's opinion on either."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(char for char in decomposed if not unicodedata.combining(char))


class Category(models.Model):
    """A node of the category tree; ``path`` is the slugs from the root: ``garden/tools``."""

    parent = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="children"
    )
    slug = models.SlugField(max_length=50)
    name = models.CharField(max_length=100)
    path = models.CharField(max_length=255, unique=True, editable=False)

    class Meta:
        ordering = ("path",)
        verbose_name_plural = "categories"

    def __str__(self) -> str:
        return self.path

    def save(self, **kwargs: Any) -> None:
        """Derive the path: a category keeps its place, so those below it keep theirs."""
        self.path = f"{self.parent.path}/{self.slug}" if self.parent else self.slug
        super().save(**kwargs)


class Product(models.Model):
    """Something on sale, or that once was."""

    sku = models.CharField(
        max_length=SKU_LENGTH,
        primary_key=True,
        validators=[RegexValidator(rf"\A{SKU}\Z", "Capital letters, digits and single hyphens.")],
    )
    name = models.CharField(max_length=200)
    description = models.TextField(blank=True, validators=[MaxLengthValidator(10_000)])
    category = models.ForeignKey(Category, on_delete=models.PROTECT, related_name="products")
    attributes = models.JSONField(default=dict, blank=True)
    amount = models.DecimalField(max_digits=14, decimal_places=4)
    currency = models.CharField(max_length=3)
    active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    # Lower case does not mean the same to SQLite and PostgreSQL; here it is decided once.
    search = models.TextField(editable=False)

    class Meta:
        indexes = (
            models.Index(fields=["category", "active", "name"]),
            models.Index(fields=["active", "name"]),
            models.Index(fields=["active", "amount"]),
        )
        constraints = (
            models.CheckConstraint(condition=models.Q(amount__gt=0), name="catalog_price_positive"),
        )

    def __str__(self) -> str:
        return self.sku

    def save(self, **kwargs: Any) -> None:
        """Keep the searchable text in step."""
        self.search = self.searched()
        super().save(**kwargs)

    def searched(self) -> str:
        """What a search looks through."""
        return searchable(f"{self.sku}\n{self.name}\n{self.description}")


class ProductVersion(EventVersion):
    """How many events of each product there have been."""
