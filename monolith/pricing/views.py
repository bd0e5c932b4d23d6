"""Pricing's HTTP face, which is the same thing as its port: derived from it, not written again."""

from __future__ import annotations

from rest_framework.permissions import AllowAny

from contracts.pricing import Pricing
from monolith.pricing.service import PricingService
from strangler.django.rest import PortView


class QuoteView(
    PortView, port=Pricing, method="quote", operationId="pricing_quote", tags=["pricing"]
):
    """What a basket costs: a query, open to everybody, whoever they say they are."""

    implementation = PricingService()
    authentication_classes = ()
    permission_classes = (AllowAny,)
