"""Which class answers for which port in this process; the kit imports this when it starts."""

from __future__ import annotations

from collections.abc import Sequence

from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.urls import resolve
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.settings import api_settings

from contracts.catalog import Catalog
from contracts.identity import Identity
from contracts.inventory import Inventory
from contracts.notifications import Notifications
from contracts.ordering import Ordering
from contracts.payments import Payments
from contracts.pricing import Pricing
from contracts.shipping import Shipping
from monolith.catalog.service import CatalogService
from monolith.config.errors import handler
from monolith.identity.service import IdentityService
from monolith.inventory.service import InventoryService
from monolith.notifications.service import NotificationsService
from monolith.ordering.service import OrderingService
from monolith.payments.service import PaymentsService
from monolith.pricing.service import PricingService
from monolith.shipping.service import ShippingService
from strangler.django.edge.identity import CredentialsRefused
from strangler.ports.context import User
from strangler.ports.serve import serve

serve(Identity, IdentityService())
serve(Catalog, CatalogService())
serve(Pricing, PricingService())
serve(Inventory, InventoryService())
serve(Ordering, OrderingService())
serve(Payments, PaymentsService())
serve(Shipping, ShippingService())
serve(Notifications, NotificationsService())


def identify(request: HttpRequest) -> User | None:
    """Whom a request is made for, by the same rules as in the views.

    A session needs no CSRF token here: whether a request was forged is a question that the kit asks
    by itself.

    Raises:
        CredentialsRefused: its credentials do not hold, and the view would not answer. Where a view
            does not look at them, they are nobody's.
    """
    wrapped = Request(request)
    for authenticator in api_settings.DEFAULT_AUTHENTICATION_CLASSES:
        if issubclass(authenticator, SessionAuthentication):
            found = getattr(request, "user", None)
        else:
            try:
                found, _ = authenticator().authenticate(wrapped) or (None, None)
            except APIException as error:
                if authenticator not in _looking(request):
                    return None
                raise CredentialsRefused(_refusal(authenticator(), wrapped, error)) from error
        if found is not None and found.is_authenticated:
            return User(str(found.pk), tuple(found.roles))
    return None


def _looking(request: HttpRequest) -> Sequence[type[BaseAuthentication]]:
    """What the view of this request looks at."""
    view = getattr(resolve(request.path_info).func, "cls", None)
    found: Sequence[type[BaseAuthentication]] = getattr(view, "authentication_classes", ())
    return found


def _refusal(
    authenticator: BaseAuthentication, request: Request, error: APIException
) -> HttpResponseBase:
    """What a view says of them."""
    error.auth_header = authenticator.authenticate_header(request)  # type: ignore[attr-defined]  # as APIView.handle_exception
    response = handler(error, {})
    assert response is not None  # noqa: S101 -- for each error of REST framework there is one
    del response.headers["Content-Type"]
    return JsonResponse(response.data, status=response.status_code, headers=response.headers)
