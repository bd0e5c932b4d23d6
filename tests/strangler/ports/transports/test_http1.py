"""Reading one answer off a socket: every shape that HTTP/1.1 allows, and what it does not."""

from __future__ import annotations

import itertools
import socket
import threading
import time
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strangler.ports.calling.wire import Answer
from strangler.ports.errors import BadAnswer
from strangler.ports.transports.http1 import BODY, HEAD, Reader, WireClosed

OK = b"HTTP/1.1 200 OK\r\n"


def read(*pieces: bytes, seconds: float = 5.0) -> tuple[Answer, bool]:
    """What a reader makes of these bytes: they come piece by piece, and then the end."""
    ours, theirs = socket.socketpair()
    with ours:
        sender = threading.Thread(target=_send, args=(theirs, pieces))
        sender.start()
        try:
            return Reader(ours, time.monotonic() + seconds).answer()
        finally:
            ours.shutdown(socket.SHUT_RDWR)
            sender.join()


def _send(theirs: socket.socket, pieces: Sequence[bytes]) -> None:
    with theirs:
        try:
            for piece in pieces:
                theirs.sendall(piece)
        except OSError:
            return  # the reader has seen enough


def test_a_length():
    answer, reuse = read(OK + b"Content-Type: application/json\r\nContent-Length: 4\r\n\r\n1234")
    assert answer == Answer(
        200, {"content-type": "application/json", "content-length": "4"}, b"1234"
    )
    assert reuse


def test_no_body():
    assert read(OK + b"Content-Length: 0\r\n\r\n")[0].body == b""
    assert read(b"HTTP/1.1 204 No Content\r\n\r\n") == (Answer(204, {}, b""), True)


def test_chunks():
    body = b"4\r\n1234\r\nA;name=value\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n"
    answer, reuse = read(OK + b"Transfer-Encoding: chunked\r\n\r\n" + body)
    assert (answer.body, reuse) == (b"12340123456789", True)


def test_up_to_the_end():
    answer, reuse = read(OK + b"\r\n12", b"34")
    assert (answer.body, reuse) == (b"1234", False)


def test_interim_answers_are_passed_over():
    head = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
    assert read(head + OK + b"Content-Length: 1\r\n\r\n7")[0].body == b"7"


def test_a_reason_may_be_missing():
    assert read(b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n")[0].status == 200


def test_repeated_headers_are_joined():
    answer, _ = read(OK + b"X-A: 1\r\nx-a: 2\r\nContent-Length: 0\r\n\r\n")
    assert answer.headers["x-a"] == "1, 2"


@pytest.mark.parametrize(
    ("head", "reuse"),
    [
        (OK, True),
        (OK + b"Connection: keep-alive\r\n", True),
        (OK + b"Connection: close\r\n", False),
        (OK + b"Connection: CLOSE\r\n", False),
        (b"HTTP/1.0 200 OK\r\n", False),
    ],
)
def test_whether_the_connection_lives_on(head: bytes, *, reuse: bool):
    assert read(head + b"Content-Length: 0\r\n\r\n")[1] is reuse


@given(cuts=st.lists(st.integers(0, 90), max_size=6), chunked=st.booleans())
def test_it_does_not_matter_where_the_network_cuts(cuts: list[int], *, chunked: bool):
    whole = OK + (
        b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"
        if chunked
        else b"Content-Length: 11\r\n\r\nhello world"
    )
    edges = [0, *sorted(cuts), len(whole)]
    pieces = [whole[start:end] for start, end in itertools.pairwise(edges)]
    answer, reuse = read(*pieces)
    assert (answer.body, reuse) == (b"hello world", True)


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        OK,
        OK + b"Content-Length: 4\r\n\r\n123",
        OK + b"Transfer-Encoding: chunked\r\n\r\n4\r\n12",
        OK + b"Transfer-Encoding: chunked\r\n\r\n4\r\n1234\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
    ],
)
def test_an_end_before_the_end(sent: bytes):
    with pytest.raises(WireClosed):
        read(sent)


@pytest.mark.parametrize(
    "sent",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 OK\r\n\r\n",
        b"HTTP/1.1 99\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n",
        OK + b"no colon\r\n\r\n",
        OK + b": no name\r\n\r\n",
        OK + b"A: 1\r\n folded\r\n\r\n",
        OK + b"Name : 1\r\n\r\n",
        OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n12",
        OK + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        OK + b"Content-Length: -1\r\n\r\n",
        OK + b"Content-Length: +1\r\n\r\n1",
        OK + b"Content-Length: 1_0\r\n\r\n1234567890",
        OK + b"Content-Length: \xb2\r\n\r\n12",
        OK + b"Content-Length: \r\n\r\n",
        OK + b"Content-Length: 1\r\n\r\n12",
        OK + f"Content-Length: {BODY + 1}\r\n\r\n".encode(),
        OK + b"Transfer-Encoding: chunked\r\n\r\nx\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n0x1\r\n1\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\n12\r\n0\r\n\r\n",
        OK + f"Transfer-Encoding: chunked\r\n\r\n{BODY + 1:x}\r\n".encode(),
        OK + b"A: " + b"a" * (HEAD + 100_000),
    ],
)
def test_what_is_no_answer_is_refused(sent: bytes):
    with pytest.raises(BadAnswer):
        read(sent)


def test_the_deadline_is_for_the_whole_answer():
    """Each byte of it comes soon enough."""
    ours, theirs = socket.socketpair()
    stop = threading.Event()

    def drip() -> None:
        theirs.sendall(OK + b"X: ")
        while not stop.wait(0.01):
            theirs.sendall(b"x")

    sender = threading.Thread(target=drip)
    sender.start()
    began = time.monotonic()
    try:
        with pytest.raises(TimeoutError):
            Reader(ours, began + 0.1).answer()
        assert 0.1 <= time.monotonic() - began < 1
    finally:
        stop.set()
        sender.join()
        ours.close()
        theirs.close()
