"""Which class answers for which port in this process; the kit imports this when it starts."""

from __future__ import annotations

from django.http import HttpRequest
from rest_framework.authentication import SessionAuthentication
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.settings import api_settings

from contracts.catalog import Catalog
from contracts.identity import Identity
from contracts.inventory import Inventory
from contracts.ordering import Ordering
from contracts.pricing import Pricing
from monolith.catalog.service import CatalogService
from monolith.identity.service import IdentityService
from monolith.inventory.service import InventoryService
from monolith.ordering.service import OrderingService
from monolith.pricing.service import PricingService
from strangler.ports.context import User
from strangler.ports.serve import serve

serve(Identity, IdentityService())
serve(Catalog, CatalogService())
serve(Pricing, PricingService())
serve(Inventory, InventoryService())
serve(Ordering, OrderingService())


def identify(request: HttpRequest) -> User | None:
    """Whom a request is made for, by the same rules as in the views.

    Credentials that do not hold are nobody's. A session needs no CSRF token here: whether a request
    was forged is a question that the kit asks by itself.
    """
    wrapped = Request(request)
    for authenticator in api_settings.DEFAULT_AUTHENTICATION_CLASSES:
        if issubclass(authenticator, SessionAuthentication):
            found = getattr(request, "user", None)
        else:
            try:
                found, _ = authenticator().authenticate(wrapped) or (None, None)
            except APIException:
                return None
        if found is not None and found.is_authenticated:
            return User(str(found.pk), tuple(found.roles))
    return None
