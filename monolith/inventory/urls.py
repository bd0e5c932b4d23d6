"""The HTTP face of inventory."""

from __future__ import annotations

from django.urls import path

from monolith.inventory import views

urlpatterns = [
    path("availability", views.AvailabilityView.as_view()),
    path("warehouses", views.WarehousesView.as_view()),
    path("warehouses/<slug:code>", views.WarehouseView.as_view()),
    path("stock", views.StockView.as_view()),
    path("movements", views.MovementsView.as_view()),
]
