"""Every path of the monolith."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path, re_path
from drf_spectacular.views import SpectacularAPIView

from monolith.config import errors, health, index

urlpatterns = [
    path("", index.index),
    path("healthz", health.alive),
    path("readyz", health.ready),
    path("", include("strangler.django.urls")),
    path("admin/", admin.site.urls),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/identity/", include("monolith.identity.urls")),
    path("api/catalog/", include("monolith.catalog.urls")),
    path("api/pricing/", include("monolith.pricing.urls")),
    path("api/inventory/", include("monolith.inventory.urls")),
    path("api/ordering/", include("monolith.ordering.urls")),
    path("api/payments/", include("monolith.payments.urls")),
    path("api/shipping/", include("monolith.shipping.urls")),
    path("api/notifications/", include("monolith.notifications.urls")),
    re_path(r"^api(/.*)?$", errors.unknown_path),  # the last: whatever no context knows
]

handler400 = errors.bad_request
handler403 = errors.forbidden
handler404 = errors.not_found
handler500 = errors.server_error
