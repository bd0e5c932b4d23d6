"""The HTTP face of payments."""

from __future__ import annotations

from django.urls import path

from monolith.payments import views

urlpatterns = [
    path("payments", views.PaymentsView.as_view()),
    path("payments/<uuid:order>", views.PaymentView.as_view()),
    path("payments/<uuid:order>/refund", views.RefundView.as_view()),
    path("webhooks/sandbox", views.WebhookView.as_view()),
]
