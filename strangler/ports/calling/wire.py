"""The calling half of the wire: what a request carries, and what an answer means.

The answering half, with the table of statuses, is ``strangler.ports.serve``.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from strangler.ladder import Arm
from strangler.ports import headers as names
from strangler.ports import runtime
from strangler.ports.codec import Codec
from strangler.ports.context import Context, Trace, commanded
from strangler.ports.declare import Kind, Method
from strangler.ports.errors import (
    BadAnswer,
    Busy,
    CallRefused,
    DoorShut,
    NotOwner,
    OutcomeUnknown,
    PortError,
    TooLate,
)
from strangler.ports.freezing.freeze import digest
from strangler.ports.trust.tokens import Use, mint

PATH = "/_strangler/ports/"


class Request(NamedTuple):
    """One attempt at one call.

    ``repeatable``: sending the very same bytes again does no harm. ``deadline`` is on the clock of
    ``time.monotonic``. ``path`` may have a query string.
    """

    path: str
    headers: dict[str, str]
    body: bytes
    repeatable: bool
    deadline: float
    method: str = "POST"


class Answer(NamedTuple):
    """What came back; the names of the headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class _Problem(msgspec.Struct):
    error: str = ""
    message: str = ""


_problem = msgspec.json.Decoder(_Problem)


def request(
    method: Method, context: Context, body: bytes, *, audience: str, deadline: float
) -> Request:
    """What is sent for a call. A command's token is good for this one delivery.

    Raises:
        CallRefused: this process has no key to sign with.
        TooLate: the deadline has passed.
    """
    left = deadline - time.monotonic()
    if left <= 0:
        raise TooLate(f"{method}: the deadline had passed before anything was sent")
    keyring = runtime.wiring.keyring
    if keyring is None:
        raise CallRefused(
            f"{method}: this process has no keys to sign a call with: "
            "runtime.configure(keyring=Keyring.load(folder, party)) where it is wired"
        )
    once = method.kind is Kind.COMMAND
    token = mint(
        keyring,
        context,
        audience=audience,
        use=Use.PORT,
        action=f"{method.capability}.{method.name}",
        once=once,
        body=body if once else None,
    )
    trace = context.trace.child() if context.trace is not None else Trace.begin()
    headers = {
        "Content-Type": "application/json",
        names.CONTEXT: token,
        names.DEADLINE: f"{left:.3f}",
        names.DIGEST: digest(method.port),
        "traceparent": trace.header,
    }
    if trace.state:
        headers["tracestate"] = trace.state
    path = f"{PATH}{method.capability}/{method.name}"
    return Request(path, headers, body, not once, deadline)


def result(codec: Codec, answer: Answer) -> object:
    """The value that an answer holds.

    Raises:
        DeclaredError: the callee answered with an error of its contract.
        NotOwner: it does not own the rows.
        Busy, DoorShut, TooLate, CallRefused: it says that it has executed nothing.
        OutcomeUnknown: it failed, or something else answered.
    """
    status, headers, body = answer
    if (said := headers.get(_COMMANDED)) is not None:
        for name in said.split(","):
            commanded(name.strip())
    if status == 200 and _is_json(headers):
        return codec.decode_result(body)
    raise _error(codec, answer)


def _error(codec: Codec, answer: Answer) -> PortError:
    status, headers, body = answer
    method = codec.method
    if not _is_json(headers):
        said = headers.get("content-type", "no content type")
        return BadAnswer(f"{method}: {status} with {said}: this is no port endpoint")
    if status == 422 and headers.get(_ERROR) == "declared":
        return codec.decode_error(body)
    try:
        problem = _problem.decode(body)
    except (msgspec.MsgspecError, ValueError):
        return BadAnswer(f"{method}: {status} with a body that is no JSON problem")
    return _refused(method, status, headers, problem)


def _refused(
    method: Method, status: int, headers: Mapping[str, str], problem: _Problem
) -> PortError:
    message = f"{method}: {status} {problem.error}: {problem.message}"
    if headers.get(_EXECUTED) != "no":
        return OutcomeUnknown(message) if status >= 400 else BadAnswer(message)
    if status == 421:
        return NotOwner(message, owner=_owner(headers), epoch=_epoch(headers))
    refusals = _SHUT if problem.error == DoorShut.__name__ else _REFUSALS
    return refusals.get(status, CallRefused)(message)


def _owner(headers: Mapping[str, str]) -> Arm | None:
    said = headers.get(_OWNER, "")
    return Arm(said) if said in _ARMS else None


def _epoch(headers: Mapping[str, str]) -> int:
    said = headers.get(_EPOCH, "")
    return int(said) if said.isascii() and said.isdigit() else 0


_SHUT: Mapping[int, type[PortError]] = {503: DoorShut}
_REFUSALS: Mapping[int, type[PortError]] = {408: TooLate, 429: Busy, 503: Busy}
_ERROR = names.ERROR.lower()
_EXECUTED = names.EXECUTED.lower()
_OWNER = names.OWNER.lower()
_EPOCH = names.EPOCH.lower()
_COMMANDED = names.COMMANDED.lower()
_ARMS = {arm.value for arm in Arm}


def _is_json(headers: Mapping[str, str]) -> bool:
    return headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"
