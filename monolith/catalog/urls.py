"""The HTTP face of catalog."""

from __future__ import annotations

from django.urls import path

from monolith.catalog import views

urlpatterns = [
    path("products/", views.Products.as_view()),
    path("products/<str:sku>/", views.Product.as_view()),
    path("products/<str:sku>/price", views.Price.as_view()),
    path("categories/", views.Categories.as_view()),
]
