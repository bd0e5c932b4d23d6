"""What ordering's HTTP face takes and gives."""

from __future__ import annotations

from rest_framework import serializers

from contracts.ordering import OrderState
from monolith.ordering.checkout import LARGEST


class LineSerializer(serializers.Serializer):
    """How many of what."""

    sku = serializers.CharField(max_length=64, trim_whitespace=False)
    quantity = serializers.IntegerField(min_value=1, max_value=LARGEST)


class PlaceSerializer(serializers.Serializer):
    """An order to be placed."""

    lines = serializers.ListField(child=LineSerializer(), min_length=1, max_length=100)
    country = serializers.RegexField(
        r"\A[A-Z]{2}\Z", trim_whitespace=False, help_text="ISO 3166, such as `DE`."
    )
    coupon = serializers.CharField(
        min_length=1, max_length=64, trim_whitespace=False, allow_null=True, default=None
    )
    payment = serializers.RegexField(
        r"\A[A-Za-z0-9][A-Za-z0-9._:-]{0,63}\Z",
        trim_whitespace=False,
        allow_null=True,
        default=None,
        help_text="What the payment provider knows the customer's means of payment by.",
    )


class OrderLineSerializer(serializers.Serializer):
    """One line as it was sold; without amounts as long as it has not been priced.

    The name is null for a product that ordering has not been told of.
    """

    sku = serializers.CharField()
    name = serializers.CharField(allow_null=True)
    quantity = serializers.IntegerField()
    unit_price = serializers.DecimalField(None, None, allow_null=True)
    discount = serializers.DecimalField(None, None, allow_null=True)
    total = serializers.DecimalField(None, None, allow_null=True)


class OrderSerializer(serializers.Serializer):
    """One order; without amounts as long as it has not been priced."""

    id = serializers.UUIDField()
    customer = serializers.CharField()
    state = serializers.ChoiceField(choices=[state.value for state in OrderState])
    lines = OrderLineSerializer(many=True)
    country = serializers.CharField()
    coupon = serializers.CharField(allow_null=True)
    currency = serializers.CharField(allow_null=True)
    subtotal = serializers.DecimalField(None, None, allow_null=True)
    discount = serializers.DecimalField(None, None, allow_null=True)
    tax = serializers.DecimalField(None, None, allow_null=True)
    rounding = serializers.DecimalField(None, None, allow_null=True)
    total = serializers.DecimalField(None, None, allow_null=True)
    reason = serializers.CharField(allow_null=True)
    placed_at = serializers.DateTimeField()
