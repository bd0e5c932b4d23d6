"""A small service with one route of each sort: ``python -m tests.strangler.fastapi.sample``."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from strangler.fastapi import face
from strangler.fastapi.app import service
from strangler.fastapi.server import main
from strangler.ports.context import current
from strangler.ports.declare import Port, command, methods, query
from strangler.ports.errors import DeclaredError

ROUTES = """
[edge]
monolith = "http://127.0.0.1:8000"
sticky   = ["cookie"]

[capability.garden]
context  = "monolith.garden"
owner    = "team-garden"
contract = "tests.strangler.fastapi.sample:Garden"
service  = ["http://127.0.0.1:8101"]
routes   = ["/api/garden/"]
queries  = ["POST /api/garden/look", "POST /api/garden/wait"]
callers  = ["kitchen"]

[capability.kitchen]
context  = "monolith.kitchen"
owner    = "team-kitchen"
contract = "tests.strangler.fastapi.sample:Kitchen"
service  = ["http://127.0.0.1:8102"]
routes   = ["/api/kitchen/"]
callers  = []
"""


@dataclass(frozen=True, slots=True)
class Who:
    """For whom a call is made; ``left`` are the seconds until its deadline."""

    caller: str | None
    user: str | None
    roles: tuple[str, ...]
    cohort: int | None
    shadow: bool
    hops: int
    left: float | None
    trace: str | None


class Withered(DeclaredError, status=410):
    """It has withered."""

    name: str


class Garden(Port, capability="garden"):
    """What grows."""

    @query(timeout=5.0, raises=[Withered])
    def look(self, name: str) -> str:
        """How it looks."""

    @query(timeout=5.0)
    def wait(self, seconds: float) -> str:
        """Takes a while."""

    @query(timeout=5.0)
    def break_down(self) -> str:
        """Fails, in a way that no contract knows."""

    @query(timeout=5.0)
    def who(self) -> Who:
        """For whom this is done."""

    @query(timeout=5.0)
    def done(self) -> list[str]:
        """What has been executed so far, but for this."""

    @command(timeout=5.0)
    def plant(self, name: str) -> str:
        """One more."""


class GardenService(Garden):
    def __init__(self) -> None:
        self.executed: list[str] = []

    def look(self, name: str) -> str:
        self.executed.append(f"look {name}")
        if name == "rose":
            raise Withered(name=name)
        return f"a {name}"

    def wait(self, seconds: float) -> str:
        self.executed.append(f"wait {seconds}")
        time.sleep(seconds)
        return "done"

    def break_down(self) -> str:
        raise ZeroDivisionError("the secret reason")

    def who(self) -> Who:
        context = current()
        user = context.user
        return Who(
            caller=context.caller,
            user=user.id if user else None,
            roles=user.roles if user else (),
            cohort=context.cohort,
            shadow=context.shadow,
            hops=context.hops,
            left=context.deadline and context.deadline - time.monotonic(),
            trace=context.trace.trace if context.trace else None,
        )

    def done(self) -> list[str]:
        return list(self.executed)

    def plant(self, name: str) -> str:
        self.executed.append(f"plant {name}")
        return name


class Plant(BaseModel):
    name: str
    height: int = 0


def router(garden: GardenService) -> APIRouter:
    routes = APIRouter(prefix="/api/garden")
    face.add(routes, "/look", methods(Garden)["look"], garden.look)
    face.add(routes, "/wait", methods(Garden)["wait"], garden.wait)

    @routes.get("/who")
    async def who(request: Request) -> dict[str, Any]:
        kit = [name for name in request.headers if name.startswith("x-strangler")]
        return {**asdict(garden.who()), "kit": kit, "link": str(request.url_for("one", name="x"))}

    @routes.post("/plants", status_code=201)
    def plant(plant: Plant) -> str:
        return garden.plant(plant.name)

    @routes.get("/fault")
    def fault() -> str:
        return garden.break_down()

    @routes.get("/halfway")
    async def halfway() -> StreamingResponse:
        def parts() -> Iterator[str]:
            yield "a beginning"
            garden.break_down()

        return StreamingResponse(parts())

    @routes.get("/teapot")
    async def teapot() -> None:
        raise HTTPException(418, "short and stout")

    @routes.get("/withered")
    def withered() -> str:
        return garden.look("rose")

    inner = APIRouter()

    @inner.get("/{name}")
    async def one(name: str, wanted: Annotated[int, Depends(lambda: 1)]) -> str:
        return name * wanted

    routes.include_router(inner, prefix="/plants")
    return routes


def create() -> FastAPI:
    garden = GardenService()
    return service(
        Garden, garden, routers=[router(garden)], database=os.environ.get("GARDEN_DATABASE")
    )


if __name__ == "__main__":
    sys.exit(main(create, program="tests.strangler.fastapi.sample", port=8101))
