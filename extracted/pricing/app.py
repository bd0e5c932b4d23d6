"""The pricing service, put together."""

from __future__ import annotations

from fastapi import FastAPI

from contracts.pricing import Pricing
from extracted.pricing import api
from extracted.pricing.rules import load
from extracted.pricing.service import PricingService
from extracted.pricing.settings import PricingSettings
from strangler.fastapi.app import service
from strangler.fastapi.settings import environment


def create() -> FastAPI:
    """The app, as the environment wants it.

    Raises:
        RulesErrors: the rules can't be used, with everything that is wrong with them.
        BadEnvironment, ManifestErrors, NotInManifest, KeysUnusable: so can't what every service
            needs.
    """
    pricing = PricingService(load(environment(PricingSettings).rules))
    return service(Pricing, pricing, routers=[api.router(pricing)])
