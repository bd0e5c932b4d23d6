"""Requests of which two readers could make two different things, and what NGINX is to make of them.

``PATH`` stands for the path that is asked, ``EVIL`` for a request that nobody may take for one.
"""

from __future__ import annotations

from typing import NamedTuple

REFUSED = frozenset({400, 405, 411, 413, 414, 417, 431, 494, 501, 505})
EVIL = b"GET PATH?n=EVIL HTTP/1.1\r\nHost: testserver\r\nX-A: "


class Shape(NamedTuple):
    """Some bytes, and how many bytes of a body whoever is asked gets; None: nobody is asked."""

    name: str
    data: bytes
    size: int | None
    method: str = "POST"


def _refused(name: str, data: bytes, method: str = "POST") -> Shape:
    return Shape(name, data, None, method)


def _post(name: str, headers: bytes, body: bytes, size: int | None = None) -> Shape:
    data = b"POST PATH?n=MINE HTTP/1.1\r\nHost: testserver\r\n" + headers + b"\r\n\r\n" + body
    return Shape(name, data, size)


def _get(name: str, headers: bytes, size: int | None = 0) -> Shape:
    data = b"GET PATH?n=MINE HTTP/1.1\r\nHost: testserver\r\n" + headers + b"\r\n\r\n"
    return Shape(name, data, size, "GET")


CHUNKED = b"5\r\nhello\r\n0\r\n\r\n"
BODIES = [
    _post("a length", b"Content-Length: 5", b"hello", 5),
    _post("in chunks", b"Transfer-Encoding: chunked", CHUNKED, 5),
    _post("in chunks, in capitals", b"TRANSFER-ENCODING: Chunked", CHUNKED, 5),
    _post("CL.TE", b"Content-Length: 5\r\nTransfer-Encoding: chunked", b"0\r\n\r\n" + EVIL),
    _post("TE.CL", b"Transfer-Encoding: chunked\r\nContent-Length: 3", b"0\r\n\r\n" + EVIL),
    _post("chunked before a colon", b"Transfer-Encoding : chunked", CHUNKED + EVIL),
    _post("a tab before a colon", b"Transfer-Encoding\t: chunked", CHUNKED + EVIL),
    _post("a tab before chunked", b"Transfer-Encoding: \tchunked", CHUNKED + EVIL),
    _post("xchunked", b"Transfer-Encoding: xchunked", CHUNKED + EVIL),
    _post("chunked, identity", b"Transfer-Encoding: chunked, identity", CHUNKED + EVIL),
    _post("identity, chunked", b"Transfer-Encoding: identity, chunked", CHUNKED + EVIL),
    _post("gzip, chunked", b"Transfer-Encoding: gzip, chunked", CHUNKED + EVIL),
    _post("in quotes", b'Transfer-Encoding: "chunked"', CHUNKED + EVIL),
    _post("a vertical tab", b"Transfer-Encoding: \x0bchunked", CHUNKED + EVIL),
    _post("nothing", b"Transfer-Encoding:", CHUNKED + EVIL),
    _post("two codings", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x", CHUNKED + EVIL),
    _post("two codings, turned", b"Transfer-Encoding: x\r\nTransfer-Encoding: chunked", CHUNKED),
    _post("twice chunked", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", CHUNKED),
    _post("two lengths", b"Content-Length: 5\r\nContent-Length: 6", b"hello" + EVIL),
    _post("the same length twice", b"Content-Length: 5\r\nContent-Length: 5", b"hello"),
    _post("lengths in a list", b"Content-Length: 5, 5", b"hello"),
    _post("+5", b"Content-Length: +5", b"hello"),
    _post("-5", b"Content-Length: -5", b"hello"),
    _post("0x5", b"Content-Length: 0x5", b"hello"),
    _post("5 5", b"Content-Length: 5 5", b"hello"),
    _post("5.0", b"Content-Length: 5.0", b"hello"),
    _post("5e0", b"Content-Length: 5e0", b"hello"),
    _post("no length", b"Content-Length:", b"hello"),
    _post("a huge length", b"Content-Length: 99999999999999999999", b"hello"),
    _post("a length of 2^64 + 5", b"Content-Length: 18446744073709551621", b"hello"),
    _post("a length behind blanks", b"Content-Length:    5  ", b"hello", 5),
    _post("zeros before it", b"Content-Length: 0005", b"hello", 5),
    _post("underscores", b"Content_Length: 50\r\nTransfer_Encoding: chunked", b"", 0),
    _post("an extension", b"Transfer-Encoding: chunked", b"5;a=b\r\nhello\r\n0\r\n\r\n", 5),
    _post("a huge chunk", b"Transfer-Encoding: chunked", b"ffffffffffffffffff\r\nhello" + EVIL),
    _post("a chunk of 2^64 + 5", b"Transfer-Encoding: chunked", b"10000000000000005\r\nhello"),
    _post("a chunk of -5", b"Transfer-Encoding: chunked", b"-5\r\nhello\r\n0\r\n\r\n"),
    _post("a chunk of 0x5", b"Transfer-Encoding: chunked", b"0x5\r\nhello\r\n0\r\n\r\n"),
    _post("a chunk of +5", b"Transfer-Encoding: chunked", b"+5\r\nhello\r\n0\r\n\r\n"),
    _post("no end of a chunk", b"Transfer-Encoding: chunked", b"5\r\nhelloXX0\r\n\r\n" + EVIL),
    _post(
        "trailers", b"Transfer-Encoding: chunked\r\nTrailer: X-Strangler-Context",
        b"5\r\nhello\r\n0\r\nX-Strangler-Context: me\r\nContent-Length: 9\r\n\r\n", 5,
    ),
    _post("a hundred is awaited", b"Content-Length: 5\r\nExpect: 100-continue", b"hello", 5),
    _post("something else is", b"Content-Length: 5\r\nExpect: 200-maybe", b"hello", 5),
    _get("GET with a body", b"Content-Length: 0", 0),
]  # fmt: skip
HEADERS = [
    _post("a folded line", b"X-A: b\r\n Content-Length: 5\r\nContent-Length: 0", b"", None),
    _get("a folded coding", b"X-A: b\r\n\tTransfer-Encoding: chunked", None),
    _get("a blank before the first", b" X-A: b", None),
    _get("no colon", b"X-A", 0),
    _get("no name", b": b", None),
    _get("a blank in a name", b"X A: b", None),
    _get("a NUL in a name", b"X\0A: b", None),
    _get("a NUL in a value", b"X-A: b\0c", None),
    _get("two hosts", b"Host: evil.example", None),
    _get("a host with a path", b"X-A: b\r\nHost: testserver/../x", None),
    _get("a bare CR", b"X-A: b\rContent-Length: 5", None),
    _get("a control character in a value", b"X-A: b\x01c", None),
    _get("underscores", b"X_Strangler_Context: me\r\nX_Strangler_Edge: me", 0),
    _get("our own", b"X-Strangler-Context: me\r\nX-Strangler-Edge: me", 0),
    _get("names to be taken off", b"Connection: X-Strangler-Context, Host, Content-Length", 0),
    _get("an upgrade", b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: A"),
    _get("an upgrade to a later TLS", b"Connection: Upgrade\r\nUpgrade: TLS/1.3"),
    _get("a header of 100 kB", b"X-A: " + b"a" * 100_000, None),
    _get("20,000 headers", b"\r\n".join(b"X-%d: a" % number for number in range(20_000)), None),
    _get("bytes beyond ASCII", b"X-A: \xff\xfe", 0),
]
LINES = [
    Shape("line feeds alone", b"GET PATH?n=MINE HTTP/1.1\nHost: testserver\n\n", 0, "GET"),
    Shape(
        "empty lines before",
        b"\r\n\r\nGET PATH?n=MINE HTTP/1.1\r\nHost: testserver\r\n\r\n", 0, "GET",
    ),
    Shape(
        "another host in the line",
        b"GET http://evil.examplePATH?n=MINE HTTP/1.1\r\nHost: testserver\r\n\r\n", 0, "GET",
    ),
    _refused("no host", b"GET PATH?n=MINE HTTP/1.1\r\n\r\n"),
    Shape("HTTP/0.9", b"GET PATH?n=MINE\r\n", 0, "GET"),
    _refused("HTTP/2's first words", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    _refused("HTTP/2.0", b"GET PATH?n=MINE HTTP/2.0\r\nHost: testserver\r\n\r\n"),
    _refused("HTTP/1.1x", b"GET PATH?n=MINE HTTP/1.1x\r\nHost: testserver\r\n\r\n"),
    _refused("two blanks more", b"GET PATH?n=MINE  HTTP/1.1 X\r\nHost: testserver\r\n\r\n"),
    _refused("a blank in the path", b"GET PATH x?n=MINE HTTP/1.1\r\nHost: testserver\r\n\r\n"),
    _refused("a NUL in the path", b"GET PATH\0?n=MINE HTTP/1.1\r\nHost: testserver\r\n\r\n"),
    _refused("a method in lower case", b"get PATH?n=MINE HTTP/1.1\r\nHost: testserver\r\n\r\n"),
    _refused("TRACE", b"TRACE PATH?n=MINE HTTP/1.1\r\nHost: testserver\r\n\r\n"),
    _refused("CONNECT", b"CONNECT testserver:80 HTTP/1.1\r\nHost: testserver\r\n\r\n"),
    _refused("100 kB of a path", b"GET PATH?n=MINE" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n"),
    _refused("a TLS handshake", b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03" + b"a" * 80),
]  # fmt: skip
SHAPES = [*BODIES, *HEADERS, *LINES]
