"""What shipping's HTTP face gives."""

from __future__ import annotations

from rest_framework import serializers

from contracts.shipping import ShipmentState


class ShipmentLineSerializer(serializers.Serializer):
    """How many of a SKU are in it."""

    sku = serializers.CharField()
    quantity = serializers.IntegerField()


class ShipmentSerializer(serializers.Serializer):
    """What is sent for one order; without a carrier and a number until it is handed over."""

    order = serializers.UUIDField()
    customer = serializers.CharField()
    state = serializers.ChoiceField(choices=[state.value for state in ShipmentState])
    lines = ShipmentLineSerializer(many=True)
    country = serializers.CharField(allow_null=True)
    carrier = serializers.CharField(allow_null=True)
    tracking = serializers.CharField(allow_null=True)
    created_at = serializers.DateTimeField()
    sent_at = serializers.DateTimeField(allow_null=True)
    delivered_at = serializers.DateTimeField(allow_null=True)
