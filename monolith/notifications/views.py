"""Notifications' HTTP face: customers read what they were told, staff all. Nobody commands here."""

from __future__ import annotations

from uuid import UUID

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import generics
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from monolith import asking
from monolith.notifications import models
from monolith.notifications.serializers import (
    NotificationQuerySerializer,
    NotificationSerializer,
)
from monolith.notifications.service import shown, visible


class NotificationsView(generics.GenericAPIView):
    """What customers were told."""

    serializer_class = NotificationSerializer
    queryset = models.Notification.objects.none()

    @extend_schema(
        operation_id="notifications_notifications_list",
        parameters=[NotificationQuerySerializer],
        responses=NotificationSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        """What one was told, newest first; staff see what everybody was told."""
        asked = NotificationQuerySerializer(data=request.query_params.dict())
        asked.is_valid(raise_exception=True)
        rows = visible(asking.user(request)).filter(**asked.validated_data)
        page = self.paginate_queryset(rows)
        shown_rows = NotificationSerializer([shown(row) for row in page or ()], many=True)
        return self.get_paginated_response(shown_rows.data)


class NotificationView(APIView):
    """One notification."""

    @extend_schema(
        operation_id="notifications_notifications_read", responses=NotificationSerializer
    )
    def get(self, request: Request, notification: UUID) -> Response:
        """One of those that one was sent; staff see everybody's."""
        row = get_object_or_404(visible(asking.user(request)), pk=notification)
        return Response(NotificationSerializer(shown(row)).data)
