"""Relations of models that cross a capability's boundary: found by Django's own word, and cut."""

from __future__ import annotations

from strangler.django.boundaries.crossing import Crossing, Kind, Side
from strangler.django.boundaries.cutting import Cut, cut
from strangler.django.boundaries.errors import NotCut, UnknownRelation
from strangler.django.boundaries.walking import crossings

__all__ = ["Crossing", "Cut", "Kind", "NotCut", "Side", "UnknownRelation", "crossings", "cut"]
