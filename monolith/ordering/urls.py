"""The HTTP face of ordering."""

from __future__ import annotations

from django.urls import path

from monolith.ordering import views

urlpatterns = [
    path("orders", views.OrdersView.as_view()),
    path("orders/<uuid:order>", views.OrderView.as_view()),
    path("orders/<uuid:order>/cancel", views.CancelView.as_view()),
]
