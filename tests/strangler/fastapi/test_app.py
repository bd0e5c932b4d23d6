"""The app factory: what it refuses to put together."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from fastapi import APIRouter

from strangler.fastapi import logs
from strangler.fastapi.app import NotInManifest, service
from strangler.fastapi.settings import ServiceSettings
from strangler.manifest import ManifestErrors
from strangler.ports import runtime
from tests.strangler.fastapi.sample import ROUTES, Garden, GardenService, router


@pytest.fixture
def settings(
    surroundings: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[ServiceSettings]:
    """Those of the sample service; the process is wired as before afterwards."""
    monkeypatch.setattr(logs, "configure", lambda **_: None)
    with runtime.configured():
        yield ServiceSettings(
            manifest=Path(surroundings["STRANGLER_MANIFEST"]),
            keys=Path(surroundings["STRANGLER_KEYS"]),
        )
    runtime.unregister(Garden)


def stray(path: str) -> APIRouter:
    routes = APIRouter()

    @routes.get(path)
    def answer() -> None:
        """Never asked."""

    return routes


@pytest.mark.parametrize(
    "path", ["/internal", "/api/gardens", "/api/kitchen/x", "/{anything}", "/api/{other}/x"]
)
def test_a_route_that_no_edge_would_send_here(settings: ServiceSettings, path: str):
    garden = GardenService()
    with pytest.raises(NotInManifest, match=r"garden's routes .* are /api/garden/") as caught:
        service(Garden, garden, routers=[router(garden), stray(path)], settings=settings)
    assert str(caught.value).startswith(f"{path}: ")


def test_a_capability_that_the_manifest_does_not_know(settings: ServiceSettings, tmp_path: Path):
    other = tmp_path / "other.toml"
    other.write_text(ROUTES.replace("garden", "yard"))
    with pytest.raises(NotInManifest, match="knows no capability 'garden'"):
        service(Garden, GardenService(), settings=settings.model_copy(update={"manifest": other}))


def test_a_manifest_with_mistakes(settings: ServiceSettings, tmp_path: Path):
    bad = tmp_path / "bad.toml"
    bad.write_text("[edge]\nmonolit = 1\n")
    with pytest.raises(ManifestErrors):
        service(Garden, GardenService(), settings=settings.model_copy(update={"manifest": bad}))


def test_its_document_describes_the_face_and_nothing_else(settings: ServiceSettings):
    garden = GardenService()
    document = service(Garden, garden, routers=[router(garden)], settings=settings).openapi()
    assert document["info"]["summary"] == "What grows."
    assert all(path.startswith("/api/garden/") for path in document["paths"])


def test_what_runs_beside_it_begins_before_and_ends_after_the_last_request(
    settings: ServiceSettings,
):
    told: list[str] = []

    @contextmanager
    def beside(name: str) -> Iterator[None]:
        told.append(f"{name} begins")
        yield
        told.append(f"{name} ends")

    app = service(
        Garden, GardenService(), during=[beside("database"), beside("timer")], settings=settings
    )
    assert told == []

    async def up() -> None:
        async with app.router.lifespan_context(app):
            told.append(f"draining: {app.state.health.draining}")

    asyncio.run(up())
    assert told == [
        "database begins", "timer begins", "draining: False", "timer ends", "database ends",
    ]  # fmt: skip
    assert app.state.health.draining
