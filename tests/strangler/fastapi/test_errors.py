"""Errors of a service's face have the one shape, and never a word too many."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from strangler.ports import headers as names
from strangler.ports.face import LIMIT
from tests.strangler.fastapi.running import JSON, Party, Service, raw


class Wrong(NamedTuple):
    """A request, and how it is refused."""

    asked: str
    data: bytes | None
    status: int
    error: str
    message: str


LARGE = b" " * (LIMIT + 1)
INTERNAL = "Something went wrong on our side."
WITHERED = "It has withered. (name='rose')"
NO_NUMBER = "Input should be a valid integer, unable to parse string as an integer"
WRONG = [
    Wrong("GET /nothing", None, 404, "NotFound", "There is nothing at /api/garden/nothing."),
    Wrong("GET /look/", None, 404, "NotFound", "There is nothing at /api/garden/look/."),
    Wrong("GET /p%3F/%C3%A4", None, 404, "NotFound", "There is nothing at /api/garden/p?/ä."),
    Wrong("GET /look", None, 405, "MethodNotAllowed", 'Method "GET" not allowed.'),
    Wrong("OPTIONS /look", None, 405, "MethodNotAllowed", 'Method "OPTIONS" not allowed.'),
    Wrong("GET /teapot", None, 418, "InvalidRequest", "short and stout"),
    Wrong("GET /withered", None, 410, "Withered", WITHERED),
    Wrong("GET /fault", None, 500, "InternalError", INTERNAL),
    Wrong("POST /look", b"{", 400, "InvalidRequest", "Input data was truncated - at `$`"),
    Wrong("POST /look", b'{"name":"rose"}', 410, "Withered", WITHERED),
    Wrong("POST /look", LARGE, 413, "TooLarge", f"A request has {LIMIT} bytes at most."),
    Wrong("POST /plants", LARGE, 413, "TooLarge", f"A request has {LIMIT} bytes at most."),
    Wrong("POST /plants", b"{", 400, "InvalidRequest", "JSON decode error - at `$`"),
    Wrong(
        "POST /plants", b'{"name":"x","height":"tall"}', 400, "InvalidRequest",
        f"{NO_NUMBER} - at `$.height`",
    ),
]  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: f"{wrong.asked} {wrong.status}")
def test_the_one_shape(edge: Party, wrong: Wrong):
    method, path = wrong.asked.split()
    answer = edge.ask(
        method, f"/api/garden{path}", wrong.data, command=wrong.asked == "POST /plants"
    )
    assert answer.error == (wrong.status, wrong.error)
    assert answer.json()["message"] == wrong.message
    assert b"ZeroDivisionError" not in answer.body


def test_every_mistake_is_named(edge: Party):
    answer = edge.ask("POST", "/api/garden/plants", b'{"height":[]}', command=True)
    assert answer.json()["detail"] == {
        "path": "$.name",
        "problems": [
            {"path": "$.name", "message": "Field required"},
            {"path": "$.height", "message": "Input should be a valid integer"},
        ],
    }


def test_a_wrong_type_of_body_is_named_before_its_length(edge: Party):
    headers = {"Content-Type": "text/plain"}
    answer = edge.ask("POST", "/api/garden/look", b" " * (LIMIT + 1), headers=headers)
    assert answer.error == (415, "UnsupportedMediaType")


def test_a_refused_method_says_which_are_not(edge: Party):
    assert edge.ask("GET", "/api/garden/look").headers["allow"] == "POST"


def test_a_fault_is_in_the_log_once_with_its_request(edge: Party, garden: Service):
    trace = "f" * 32
    before = len(garden.said())
    edge.ask("GET", "/api/garden/fault", headers={"traceparent": f"00-{trace}-{'1' * 16}-01"})
    said = garden.said()[before:]
    (line,) = [line for line in said if "exception" in line]
    assert line["exception"].rstrip().endswith("ZeroDivisionError: the secret reason")
    assert (line["level"], line["trace"], line["caller"]) == ("error", trace, "monolith")
    (access,) = [line for line in said if line["event"] == "request"]
    assert (access["status"], access["trace"]) == (500, trace)


def test_an_answer_that_breaks_off_can_be_told_from_a_whole_one(edge: Party):
    token = edge.token("garden GET")
    found = raw(
        edge.url,
        f"GET /api/garden/halfway HTTP/1.1\r\nHost: x\r\n{names.CONTEXT}: {token}\r\n\r\n".encode(),
    )
    assert found.startswith(b"HTTP/1.1 200")
    assert b"a beginning" in found
    assert not found.endswith(b"0\r\n\r\n")
    assert b"Zero" not in found


def test_a_client_that_leaves_in_the_midst_of_its_body_is_no_fault(edge: Party, garden: Service):
    before = len(garden.said())
    body = b'{"name": "x"}'
    head: dict[str, Any] = {
        **JSON, names.CONTEXT: edge.token("garden POST"), "Content-Length": "99", "Host": "x",
    }  # fmt: skip
    lines = [b"POST /api/garden/look HTTP/1.1", *(f"{k}: {v}".encode() for k, v in head.items())]
    assert raw(edge.url, b"\r\n".join([*lines, b"", body]), leave=True) == b""
    assert [line for line in garden.said()[before:] if line["level"] == "error"] == []
