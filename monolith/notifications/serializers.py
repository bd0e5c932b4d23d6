"""What notifications' HTTP face takes and gives."""

from __future__ import annotations

from rest_framework import serializers

from contracts.notifications import Channel, Kind, NotificationState


class NotificationQuerySerializer(serializers.Serializer):
    """Which notifications somebody asks for."""

    order = serializers.UUIDField(required=False)
    state = serializers.ChoiceField(
        choices=[state.value for state in NotificationState], required=False
    )


class NotificationSerializer(serializers.Serializer):
    """What a customer is told of an order, by one channel."""

    id = serializers.UUIDField()
    order = serializers.UUIDField()
    customer = serializers.CharField()
    kind = serializers.ChoiceField(choices=[kind.value for kind in Kind])
    channel = serializers.ChoiceField(choices=[channel.value for channel in Channel])
    state = serializers.ChoiceField(choices=[state.value for state in NotificationState])
    attempts = serializers.IntegerField()
    reason = serializers.CharField(allow_null=True)
    created_at = serializers.DateTimeField()
    sent_at = serializers.DateTimeField(allow_null=True)
