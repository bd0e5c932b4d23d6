"""The JSON of catalog's HTTP face."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, ClassVar

from django.http import QueryDict
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from contracts.money import Money
from monolith.catalog import models
from monolith.catalog.currencies import DECIMALS, exact
from monolith.catalog.search import ORDERINGS, Wanted

CATEGORY = r"[a-z0-9-]+(/[a-z0-9-]+)*"
ATTRIBUTE = r"[a-z][a-z0-9_-]{0,49}"
ATTRIBUTES = 50


class AmountField(serializers.DecimalField):
    """An amount of money as a string; how many decimals it has is its currency's affair."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_digits=14, decimal_places=4, **kwargs)

    def to_representation(self, value: Decimal) -> str:
        """As many decimals as the amount has."""
        return f"{value:f}"


class CurrencyField(serializers.RegexField):
    """A currency of ISO 4217."""

    default_error_messages: ClassVar = {"unknown": "{code} is no currency of ISO 4217."}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(r"^[A-Z]{3}$", **kwargs)

    def to_internal_value(self, data: Any) -> str:
        """A code that ISO 4217 lists."""
        code: str = super().to_internal_value(data)
        if re.fullmatch("[A-Z]{3}", code) and code not in DECIMALS:
            self.fail("unknown", code=code)
        return code


class PriceSerializer(serializers.Serializer):
    """An amount in one currency, in whole units."""

    amount = AmountField()
    currency = CurrencyField()

    def validate(self, attrs: dict[str, Any]) -> Money:
        """A positive amount, no finer than its currency."""
        amount, currency = attrs["amount"], attrs["currency"]
        if not 0 < amount < models.PRICE_LIMIT:
            message = f"A price is above 0 and below {models.PRICE_LIMIT}."
            raise serializers.ValidationError({"amount": [message]})
        if exact(amount, currency) is None:
            message = f"{currency} has {DECIMALS[currency]} decimals."
            raise serializers.ValidationError({"amount": [message]})
        return Money(amount, currency)


class CategoryPathField(serializers.RegexField):
    """The path of slugs of a category, from the root."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(rf"^{CATEGORY}$", max_length=255, **kwargs)


class AttributesField(serializers.DictField):
    """Names and values, flat."""

    default_error_messages: ClassVar = {
        "name": "An attribute's name is small letters, digits, - and _, and at most 50 of them.",
        "many": f"A product has at most {ATTRIBUTES} attributes.",
    }

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(child=serializers.CharField(max_length=200), **kwargs)

    def to_internal_value(self, data: Any) -> dict[str, str]:
        """Not too many, and with names that a query can hold."""
        values: dict[str, str] = super().to_internal_value(data)
        if len(values) > ATTRIBUTES:
            self.fail("many")
        if not all(re.fullmatch(ATTRIBUTE, name) for name in values):
            self.fail("name")
        return values


class ProductSerializer(serializers.Serializer):
    """One product."""

    sku = serializers.RegexField(rf"^{models.SKU}$", max_length=models.SKU_LENGTH)
    name = serializers.CharField(max_length=200)
    description = serializers.CharField(max_length=10_000, allow_blank=True, required=False)
    category = CategoryPathField()
    attributes = AttributesField(required=False)
    price = PriceSerializer()
    active = serializers.BooleanField(required=False)


class ProductChangeSerializer(serializers.Serializer):
    """What may change about a product; its price has an operation of its own."""

    name = serializers.CharField(max_length=200, required=False)
    description = serializers.CharField(max_length=10_000, allow_blank=True, required=False)
    category = CategoryPathField(required=False)
    attributes = AttributesField(required=False)
    active = serializers.BooleanField(required=False)

    def to_internal_value(self, data: Any) -> Any:
        """Refuse what can't be changed here, rather than ignore it."""
        if isinstance(data, dict) and (extra := sorted(set(data) - set(self.fields))):
            message = "This can't be changed here."
            raise serializers.ValidationError({str(name): [message] for name in extra})
        if isinstance(data, QueryDict):  # of a form, which says "off" by saying nothing
            data = data.dict()
        return super().to_internal_value(data)


class CategorySerializer(serializers.Serializer):
    """A new category; the last slug of its path is its own."""

    path = CategoryPathField()
    name = serializers.CharField(max_length=100)


class CategoryTreeSerializer(serializers.Serializer):
    """A category and all that are below it."""

    path = serializers.CharField()
    name = serializers.CharField()
    children = serializers.SerializerMethodField()

    @extend_schema_field({"type": "array", "items": {"$ref": "#/components/schemas/CategoryTree"}})
    def get_children(self, node: dict[str, Any]) -> list[Any]:
        """The categories directly below."""
        return [self.to_representation(child) for child in node["children"]]


class AttributeFilterField(serializers.RegexField):
    """``color:red``."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(rf"^{ATTRIBUTE}:.+$", max_length=251, **kwargs)


class WantedSerializer(serializers.Serializer):
    """The query string of a search."""

    search = serializers.CharField(
        required=False, max_length=100, help_text="Words in SKU, name or description."
    )
    category = CategoryPathField(required=False, help_text="With all categories below it.")
    attribute = serializers.ListField(
        child=AttributeFilterField(), required=False, max_length=10, help_text="name:value"
    )
    currency = CurrencyField(required=False)
    min_price = AmountField(required=False, help_text="Wants a currency.")
    max_price = AmountField(required=False, help_text="Wants a currency.")
    active = serializers.BooleanField(required=False, allow_null=True, help_text="For staff.")
    ordering = serializers.ChoiceField(list(ORDERINGS), required=False)

    def validate(self, attrs: dict[str, Any]) -> Wanted:
        """A range of prices means something in one currency only."""
        if {"min_price", "max_price"} & set(attrs) and "currency" not in attrs:
            message = "A range of prices wants a currency."
            raise serializers.ValidationError({"currency": [message]})
        pairs = [tuple(pair.split(":", 1)) for pair in attrs.pop("attribute", [])]
        return Wanted(attributes=pairs, **attrs)
