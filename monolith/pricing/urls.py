"""The HTTP face of pricing."""

from __future__ import annotations

from django.urls import path

from monolith.pricing import views

urlpatterns = [path("quote", views.QuoteView.as_view())]
