"""The HTTP face of notifications."""

from __future__ import annotations

from django.urls import path

from monolith.notifications import views

urlpatterns = [
    path("notifications", views.NotificationsView.as_view()),
    path("notifications/<uuid:notification>", views.NotificationView.as_view()),
]
