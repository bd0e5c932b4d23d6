"""What inventory's HTTP face takes and gives."""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError, transaction
from rest_framework import serializers
from rest_framework.validators import UniqueValidator

from monolith.inventory.models import Movement, Reason, Stock, Warehouse
from monolith.inventory.stocking import BY_HAND, adjust, storable

SKUS_AT_ONCE = 100


class AvailabilitySerializer(serializers.Serializer):
    """How many of a SKU can be ordered now."""

    sku = serializers.CharField()
    available = serializers.IntegerField()


class AvailabilityQuerySerializer(serializers.Serializer):
    """Which SKUs somebody asks about: ``?sku=A&sku=B``."""

    sku = serializers.ListField(
        child=serializers.CharField(max_length=64), min_length=1, max_length=SKUS_AT_ONCE
    )


class WarehouseSerializer(serializers.ModelSerializer):
    """Where goods lie; orders are served from the lowest rank first."""

    class Meta:
        model = Warehouse
        fields = ("code", "name", "rank")

    def save(self, **kwargs: Any) -> Warehouse:
        """Make it, or change it; somebody may have taken its code since it was looked at."""
        try:
            with transaction.atomic():
                return super().save(**kwargs)
        except IntegrityError:
            unique = next(
                one for one in self.fields["code"].validators if isinstance(one, UniqueValidator)
            )
            taken = Warehouse.objects.filter(code=self.validated_data.get("code"))
            if not taken.exclude(pk=getattr(self.instance, "pk", None)).exists():
                raise
            raise serializers.ValidationError({"code": [unique.message]}) from None


class StockSerializer(serializers.ModelSerializer):
    """How many of a SKU lie in a warehouse, and how many of them are kept for orders."""

    warehouse = serializers.SlugRelatedField(slug_field="code", read_only=True)
    available = serializers.IntegerField(read_only=True)

    class Meta:
        model = Stock
        fields = ("sku", "warehouse", "on_hand", "reserved", "available")


class MovementSerializer(serializers.ModelSerializer):
    """One change of what is on hand."""

    sku = serializers.CharField(source="stock.sku", read_only=True)
    warehouse = serializers.CharField(source="stock.warehouse.code", read_only=True)

    class Meta:
        model = Movement
        fields = ("id", "sku", "warehouse", "delta", "reason", "note", "order", "actor", "at")


class WarehouseField(serializers.SlugRelatedField):
    """A warehouse's code."""

    def to_internal_value(self, data: Any) -> Warehouse:
        """The warehouse."""
        if isinstance(data, str) and not storable(data):
            self.fail("does_not_exist", slug_name=self.slug_field, value=data)
        found: Warehouse = super().to_internal_value(data)
        return found


class AdjustmentSerializer(serializers.Serializer):
    """A change by hand: so many more, or fewer, in a warehouse, and why."""

    sku = serializers.RegexField(r"\A[A-Z0-9]+(-[A-Z0-9]+)*\Z", max_length=64)
    warehouse = WarehouseField(
        slug_field="code", queryset=Warehouse.objects.all(), help_text="A warehouse's code."
    )
    delta = serializers.IntegerField(min_value=-1_000_000, max_value=1_000_000)
    reason = serializers.ChoiceField(choices=[(reason.value, reason.label) for reason in BY_HAND])
    note = serializers.CharField(max_length=200, allow_blank=True, default="")

    def validate_delta(self, delta: int) -> int:
        """A movement moves."""
        if delta == 0:
            raise serializers.ValidationError("Say how many more, or how many fewer: not 0.")
        return delta

    def create(self, validated_data: dict[str, Any]) -> Movement:
        """Make the change."""
        return adjust(**validated_data | {"reason": Reason(validated_data["reason"])})

    def to_representation(self, instance: Movement) -> dict[str, Any]:
        """The movement that it became."""
        return dict(MovementSerializer(instance).data)
