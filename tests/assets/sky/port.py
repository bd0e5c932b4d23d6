"""The ports of what this project wants to extract, and who answers so far."""

from __future__ import annotations

from django.contrib.auth import get_user_model

from strangler.ports.context import current
from strangler.ports.declare import Port, command, query


class Weather(Port, capability="weather"):
    """What the sky is like."""

    @query(timeout=1.0)
    def degrees(self, place: str) -> int:
        """How warm it is."""

    @query(timeout=1.0)
    def visits(self, place: str) -> int:
        """A query that writes, as it should not."""

    @command()
    def report(self, place: str, degrees: int) -> bool:
        """Say how warm it is."""


class Tides(Port, capability="tides"):
    """What the sea is like; asks for the weather."""

    @query()
    def height(self, place: str) -> int:
        """How high it stands."""


class WeatherService(Weather):
    """Answers in the monolith."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def degrees(self, place: str) -> int:
        self.asked.append(f"degrees {place} {current().user}")
        return 21

    def visits(self, place: str) -> int:
        self.asked.append(f"visits {place}")
        get_user_model().objects.create(username=place, email=f"{place}@sky")
        return get_user_model().objects.count()

    def report(self, place: str, degrees: int) -> bool:
        self.asked.append(f"report {place} {degrees}")
        return True
