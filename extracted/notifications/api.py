"""Notifications' HTTP face: customers read what they were told, staff all. Nobody commands here."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final
from uuid import UUID

from fastapi import APIRouter, Request, Response
from sqlalchemy import Select, func, select
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from contracts.notifications import NotificationState
from extracted.notifications import models
from extracted.notifications.service import shown, visible
from extracted.notifications.shown import NotificationShown, Page
from strangler.fastapi.pool import Pool
from strangler.fastapi.rest import asking, paging
from strangler.ports.context import User, current
from strangler.sqlalchemy.database import Database

STATES: Final = sorted(state.value for state in NotificationState)
METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE")
_UUID: Final = re.compile(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}")
Answers = Callable[[Request, User], Response]


def router(database: Database) -> APIRouter:
    """``/api/notifications/``, answered from this database."""
    routes = APIRouter(prefix="/api/notifications", tags=["notifications"])
    face = Face(database)
    paged = [_parameter(name, {"type": "integer"}) for name in ("page", "page_size")]
    asked = [
        _parameter("order", {"type": "string", "format": "uuid"}),
        _parameter("state", {"type": "string", "enum": STATES, "minLength": 1}),
    ]
    one = {**_parameter("notification", {"type": "string", "format": "uuid"}),
           "in": "path", "required": True}  # fmt: skip
    _add(routes, "/notifications", face.many, Page, [*asked, *paged])
    _add(routes, "/notifications/{notification}", face.one, NotificationShown, [one])
    return routes


class Face:
    """What each path answers."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def many(self, request: Request, user: User) -> Response:
        """What one was told, newest first; staff see what everybody was told."""
        rows = _narrowed(visible(user), request)
        count = select(func.count()).select_from(rows.subquery())
        newest = (models.Notification.created_at.desc(), models.Notification.id.desc())
        with self._database.reading() as session:
            page, size = (_last(request, name) for name in ("page", "page_size"))
            found = paging.page(page, size, session.scalar(count) or 0)
            results = session.scalars(
                rows.order_by(*newest).offset(found.offset).limit(found.size)
            ).all()
        return JSONResponse(found.of([_json(row) for row in results], str(request.url)))

    def one(self, request: Request, user: User) -> Response:
        """One of those that one was sent; staff see everybody's."""
        key = UUID(request.path_params["notification"])
        with self._database.reading() as session:
            row = session.scalars(visible(user).where(models.Notification.id == key)).first()
        if row is None:
            raise HTTPException(404, "Not found.")
        return JSONResponse(_json(row))


def _json(row: models.Notification) -> dict[str, Any]:
    return NotificationShown.model_validate(shown(row)).model_dump(mode="json")


def _last(request: Request, name: str) -> str | None:
    found = request.query_params.getlist(name)
    return found[-1] if found else None


def _narrowed(rows: Select[models.Notification], request: Request) -> Select[models.Notification]:
    """Only the order and the state asked for.

    Raises:
        Invalid: they are none.
    """
    problems = []
    if (order := _last(request, "order")) is not None:
        try:
            rows = rows.where(models.Notification.order_id == UUID(hex=order))
        except ValueError:
            problems.append((".order", "Must be a valid UUID."))
    if (state := _last(request, "state")) is not None:
        if state not in STATES:
            problems.append((".state", f'"{state}" is not a valid choice.'))
        rows = rows.where(models.Notification.state == state)
    if problems:
        raise asking.Invalid(problems)
    return rows


def _add(
    routes: APIRouter, path: str, answers: Answers, model: Any, parameters: list[dict[str, Any]]
) -> None:
    routes.add_api_route(
        path,
        _endpoint(answers),
        methods=["GET"],
        name=answers.__name__,
        description=answers.__doc__ or "",
        response_model=model,
        openapi_extra={"parameters": parameters},
    )
    others = [method for method in METHODS if method != "GET"]
    routes.add_api_route(
        path, _endpoint(answers), methods=others, include_in_schema=False, response_model=None
    )


def _parameter(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"in": "query", "name": name, "schema": schema}


def _endpoint(answers: Answers) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        key = request.path_params.get("notification")
        if key is not None and not _UUID.fullmatch(key):
            raise HTTPException(404)
        pool: Pool = request.app.state.pool
        answer = partial(_answer, answers, request)
        return await pool.run(answer, deadline=current().deadline)

    return endpoint


def _answer(answers: Answers, request: Request) -> Response:
    asking.negotiate(request)
    user = current().user
    if user is None:
        asking.refuse(user)
    if request.method not in {"GET", "HEAD"}:
        raise HTTPException(405, headers={"Allow": "GET, HEAD, OPTIONS"})
    try:
        return answers(request, user)
    except asking.Invalid as invalid:
        return invalid.response()
