"""Catalog in the admin site."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest

from contracts.catalog import InvalidPrice
from contracts.money import Money
from monolith.catalog import telling
from monolith.catalog.models import Category, Product
from monolith.catalog.service import checked


class ProductForm(forms.ModelForm):
    """A product, with the price checked as everywhere else."""

    def clean(self) -> dict[str, Any]:
        """Refuse a price that the service would refuse."""
        data = super().clean() or {}
        currency = data.get("currency") or self.instance.currency
        if "amount" in data:
            try:
                checked(self.instance.sku, Money(data["amount"], currency))
            except InvalidPrice as error:
                self.add_error("amount", error.reason)
        return data


@admin.register(Product)
class ProductAdmin(admin.ModelAdmin):
    """Products, by SKU or name."""

    form = ProductForm
    list_display = ("sku", "name", "category", "amount", "currency", "active")
    list_filter = ("active", "currency")
    list_select_related = ("category",)
    search_fields = ("sku", "name")
    autocomplete_fields = ("category",)

    def get_readonly_fields(self, request: HttpRequest, obj: Product | None = None) -> list[str]:  # noqa: ARG002 -- Django's signature
        """A product keeps its SKU, and the currency it is sold in."""
        return ["sku", "currency"] if obj else []

    def save_model(self, request: HttpRequest, obj: Product, form: Any, change: Any) -> None:
        """Save it, and say so."""
        with transaction.atomic():
            super().save_model(request, obj, form, change)
            telling.changed(obj)

    def delete_model(self, request: HttpRequest, obj: Product) -> None:
        """Remove it, and say so."""
        sku = obj.sku
        with transaction.atomic():
            super().delete_model(request, obj)
            telling.removed([sku])

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Product]) -> None:
        """Remove these, and say so."""
        with transaction.atomic():
            rows = queryset.order_by("sku").select_for_update(of=("self",))
            skus = list(rows.values_list("sku", flat=True))
            super().delete_queryset(request, queryset)
            telling.removed(skus)


@admin.register(Category)
class CategoryAdmin(admin.ModelAdmin):
    """The category tree, by path."""

    list_display = ("path", "name")
    search_fields = ("path", "name")

    def get_readonly_fields(self, request: HttpRequest, obj: Category | None = None) -> list[str]:  # noqa: ARG002 -- Django's signature
        """A category keeps its place."""
        return ["parent", "slug"] if obj else []
