"""Pricing's HTTP face: the same paths as the monolith's, derived from the same port."""

from __future__ import annotations

from fastapi import APIRouter

from contracts.pricing import Pricing
from strangler.fastapi import face
from strangler.ports.declare import methods


def router(pricing: Pricing) -> APIRouter:
    """``/api/pricing/``, answered by this implementation."""
    routes = APIRouter(prefix="/api/pricing", tags=["pricing"])
    face.add(routes, "/quote", methods(Pricing)["quote"], pricing.quote)
    return routes
