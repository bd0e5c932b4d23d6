"""The HTTP face of shipping."""

from __future__ import annotations

from django.urls import path

from monolith.shipping import views

urlpatterns = [
    path("shipments", views.ShipmentsView.as_view()),
    path("shipments/<uuid:order>", views.ShipmentView.as_view()),
    path("shipments/<uuid:order>/hand-over", views.HandOverView.as_view()),
    path("shipments/<uuid:order>/delivered", views.DeliveredView.as_view()),
]
