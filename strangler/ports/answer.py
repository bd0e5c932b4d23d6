"""What goes back over the wire for one call: the answer, a declared error, or a problem.

The table of statuses is in ``strangler.ports.serve``; ``strangler.ports.calling.wire`` reads all
this on the other side.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from strangler.ladder import Arm
from strangler.ports import headers as names
from strangler.ports.codec import codec
from strangler.ports.declare import Method
from strangler.ports.errors import (
    CallRefused,
    DeclaredError,
    DoorShut,
    NotExecuted,
    NotOwner,
    PortError,
    TimedOut,
    TooLate,
)
from strangler.ports.freezing.freeze import digest
from strangler.ports.rehearsal import Rehearsed, Run, Shape

_log = logging.getLogger("strangler.ports")


class Answer(NamedTuple):
    """What goes back over HTTP."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Refusal(Exception):
    """Nothing of the call has been executed, nor will be."""

    headers: Mapping[str, str] = {}

    def __init__(self, status: int, error: str, message: str, **detail: str) -> None:
        super().__init__(message)
        self.status = status
        self.error = error
        self.detail = detail

    def answer(self) -> Answer:
        """What the caller is told."""
        headers = {**_REFUSED, **self.headers} if self.headers else _REFUSED
        return Answer(self.status, headers, _problem(self.error, str(self), self.detail))


def turned_away(error: NotOwner | DoorShut) -> Refusal:
    """What a caller is told who has not come in by the door."""
    if isinstance(error, DoorShut):
        refusal = Refusal(503, DoorShut.__name__, str(error))
        refusal.headers = {"Retry-After": "1"}
        return refusal
    refusal = Refusal(421, NotOwner.__name__, str(error))
    refusal.headers = {names.EPOCH: str(error.epoch)}
    if error.owner is not None:
        refusal.headers[names.OWNER] = error.owner.value
    return refusal


def run(
    method: Method, answer: Callable[..., Any], arguments: Mapping[str, Any], arm: Arm
) -> Answer:
    """Call it, and write down what it returns or the declared error that it raises.

    Whatever else it raises is raised here.
    """
    coder = codec(method)
    try:
        result = answer(**arguments)
    except DeclaredError as error:
        if not coder.declares(error):
            raise
        return Answer(422, _headers(method, arm)[1], coder.encode_error(error))
    return Answer(200, _headers(method, arm)[0], coder.encode_result(result))


def rehearsed(runs: Sequence[Run], tables: Mapping[str, Shape]) -> Answer:
    """What a rehearsal's caller is told: nothing has been executed."""
    body = msgspec.json.encode(Rehearsed(list(runs), dict(tables)))
    return Answer(200, _REFUSED, body)


def said_by(answer: Answer) -> str:
    """The declared error that a port answers with; "" for none."""
    if answer.headers.get(names.ERROR) != "declared":
        return ""
    return msgspec.json.decode(answer.body, type=_Said).error


class _Said(msgspec.Struct):
    error: str


def passed_on(error: PortError) -> Answer:
    """What the other arm has said or failed to say about this call stays true for our caller."""
    name, message = type(error).__name__, str(error)
    if isinstance(error, NotExecuted):
        if isinstance(error, NotOwner | DoorShut):
            return turned_away(error).answer()
        status = {TooLate: 408, CallRefused: 403}.get(type(error), 503)
        return Refusal(status, name, message).answer()
    return Answer(504 if isinstance(error, TimedOut) else 502, _JSON, _problem(name, message, {}))


def failed(action: str, error: Exception, *, began: bool) -> Answer:
    """Say that it went wrong. How, only the log is told."""
    number = uuid.uuid4().hex
    _log.error("%s failed, error %s", action, number, exc_info=error)
    message = "something went wrong; the log of the side that answered has it by this id"
    body = _problem("Failed", message, {"id": number})
    return Answer(500, _JSON, body) if began else Answer(503, _REFUSED, body)


def _problem(error: str, message: str, detail: Mapping[str, str]) -> bytes:
    return msgspec.json.encode({"error": error, "message": message, "detail": detail})


def _headers(method: Method, arm: Arm) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """Of an answer, and of a declared error."""
    found = _known.get((method, arm))
    if found is None:
        common = {**_JSON, names.DIGEST: digest(method.port), names.ARM: str(arm)}
        found = _known[method, arm] = (common, {**common, names.ERROR: "declared"})
    return found


_JSON: Final[Mapping[str, str]] = {"Content-Type": "application/json"}
_REFUSED: Final[Mapping[str, str]] = {**_JSON, names.EXECUTED: "no"}
_known: dict[tuple[Method, Arm], tuple[Mapping[str, str], Mapping[str, str]]] = {}
