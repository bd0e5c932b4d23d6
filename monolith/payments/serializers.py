"""What payments' HTTP face gives."""

from __future__ import annotations

from rest_framework import serializers

from contracts.payments import PaymentState


class MoneySerializer(serializers.Serializer):
    """An amount in one currency, in whole units."""

    amount = serializers.DecimalField(None, None)
    currency = serializers.CharField(help_text="ISO 4217, such as `EUR`.")


class PaymentSerializer(serializers.Serializer):
    """What one order was paid with; without amount and method if it ended before it was charged."""

    order = serializers.UUIDField()
    customer = serializers.CharField(allow_null=True)
    state = serializers.ChoiceField(choices=[state.value for state in PaymentState])
    amount = MoneySerializer(allow_null=True)
    method = serializers.CharField(allow_null=True)
    reason = serializers.CharField(allow_null=True)
    created_at = serializers.DateTimeField()


class HeardSerializer(serializers.Serializer):
    """What became of a webhook."""

    new = serializers.BooleanField(help_text="Whether it had not been heard before.")
