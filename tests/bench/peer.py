"""The peer of the http bench: the same answers from plain FastAPI and pydantic, on one uvicorn."""

from __future__ import annotations

import sys
from decimal import Decimal

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

from tests.bench.parts import ROWS


class Part(BaseModel):
    """A small DTO."""

    sku: str
    name: str
    price: Decimal
    currency: str
    active: bool


class PartRequest(BaseModel):
    """The arguments of ``part``."""

    sku: str


class SomeRequest(BaseModel):
    """The arguments of ``some``."""

    count: int


PARTS = [Part(**row) for row in ROWS]
app = FastAPI()


@app.post("/part")
def part(asked: PartRequest) -> Part:
    """One of them."""
    return PARTS[0]


@app.post("/some")
def some(asked: SomeRequest) -> list[Part]:
    """That many of them."""
    return PARTS[: asked.count]


@app.post("/async/part")
async def part_async(asked: PartRequest) -> Part:
    """One of them, on the event loop."""
    return part(asked)


@app.post("/async/some")
async def some_async(asked: SomeRequest) -> list[Part]:
    """That many of them, on the event loop."""
    return some(asked)


if __name__ == "__main__":
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        log_config=None,
        access_log=False,
        server_header=False,
    )
