"""The kit's own paths. Include them at the root: ``path("", include("strangler.django.urls"))``."""

from __future__ import annotations

from django.urls import path

from strangler.django.agents import endpoints as agents
from strangler.django.edge import tokens
from strangler.django.events import endpoint as events
from strangler.django.ports import endpoint as ports

app_name = "strangler"

urlpatterns = [
    path("_strangler/agents/count", agents.count, name="agents-count"),
    path("_strangler/agents/follow", agents.follow, name="agents-follow"),
    path("_strangler/edge/<str:capability>/<str:kind>", tokens.token, name="token"),
    path("_strangler/events/<str:consumer>", events.events, name="events"),
    path("_strangler/ports/<str:capability>/<str:method>", ports.call, name="port"),
]
