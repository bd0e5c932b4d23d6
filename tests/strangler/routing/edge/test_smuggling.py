"""What two readers could read in two ways: refused, or one request for everybody behind NGINX."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

import pytest

from strangler.ports.trust.tokens import Use
from tests.servers import running
from tests.strangler.fastapi.running import Party
from tests.strangler.routing.edge.front import Answer, Client, Front
from tests.strangler.routing.edge.recorder import Recorder, recorder
from tests.strangler.routing.edge.rolling import Works, works
from tests.strangler.routing.edge.shapes import REFUSED, SHAPES, Shape

PATHS = {"uvicorn": "/weather/rome", "gunicorn": "/about", "recorder": "/tides/high"}
NUMBERS = count()
OLD = 9
"""The status of an answer that has none, as HTTP/0.9 has it."""
HOP = {"connection", "expect", "keep-alive", "te", "upgrade"}
HOP |= {"proxy-connection", "transfer-encoding"}


class Street:
    """The way to each of them."""

    def __init__(self, made: Works, front: Front, recorded: Recorder) -> None:
        self.made = made
        self.front = front
        self.recorded = recorded

    def did(self, number: str) -> list[tuple[str, int]]:
        """Method and size of each request with this number that has reached anybody."""
        noted = [words for words in self.made.notes if words[0] == "did" and words[3] == number]
        seen = [
            (head.partition(b" ")[0].decode(), len(body))
            for head, body in self.recorded.seen
            if f"n={number} ".encode() in head.partition(b"\r\n")[0]
        ]
        return seen + [(words[2], int(words[4])) for words in noted]

    def ask(self, path: str) -> str:
        """Anybody's request, which is answered; its number."""
        number = f"after-{next(NUMBERS)}"
        client = Client(self.front.port)
        try:
            answer = client.ask("GET", f"{path}?n={number}", {"Cookie": "strangler_cohort=7"})
        finally:
            client.close()
        assert answer.status == 200
        assert answer.whole
        return number


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    with (
        recorder() as recorded,
        works(tmp_path_factory.mktemp("shapes"), tides=recorded.url, share=1000) as made,
        running(made.front()) as front,
    ):
        yield Street(made, front, recorded)


@dataclass
class Sent:
    """What came of some bytes, and of a plain request behind them."""

    mine: str
    evil: str
    kept: str
    statuses: list[int]


def send(street: Street, shape: Shape, path: str) -> Sent:
    """Both on one connection."""
    number = next(NUMBERS)
    sent = Sent(f"mine-{number}", f"evil-{number}", f"kept-{number}", [])
    street.recorded.odd.clear()
    data = shape.data
    for name, value in {b"PATH": path, b"MINE": sent.mine, b"EVIL": sent.evil}.items():
        data = data.replace(name, value.encode())
    client = Client(street.front.port)
    following = (
        f"GET {path}?n={sent.kept} HTTP/1.1\r\nHost: testserver\r\nConnection: close\r\n\r\n"
    )
    with contextlib.suppress(OSError):  # what is refused may be cut off
        answer = client.send(data + following.encode())
        while answer.status:
            sent.statuses.append(answer.status)
            answer = client.more()
    client.close()
    return sent


@pytest.mark.parametrize("server", PATHS)
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_it_is_refused_or_it_is_one_request(street: Street, shape: Shape, server: str) -> None:
    path = PATHS[server]
    sent = send(street, shape, path)
    statuses = [status for status in sent.statuses if status != 100]
    assert street.did(sent.evil) == []
    if shape.size is None:
        assert set(statuses[:1]) <= REFUSED
        assert street.did(sent.mine) == []
    else:
        assert statuses[0] in {200, 201, OLD}
        assert street.did(sent.mine) == [(shape.method, shape.size)]
    assert statuses[1:] in ([], [200])
    assert street.did(sent.kept) == [("GET", 0)] * len(statuses[1:])
    assert street.recorded.odd == []
    # Whoever comes next on the connections that NGINX keeps gets an answer of their own.
    for _ in range(2):
        assert street.did(street.ask(path)) == [("GET", 0)]


def test_what_passes_says_nothing_in_the_edge_s_place(street: Street) -> None:
    """Its token is there, and nothing that a client may have said of how to read the request."""
    for shape in SHAPES:
        if shape.size is None:
            continue
        sent = send(street, shape, PATHS["recorder"])
        (head,) = (one for one, _ in street.recorded.seen if sent.mine.encode() in one)
        lines = [line.partition(": ") for line in head.decode("latin-1").split("\r\n")[1:-2]]
        named = [(name.lower(), value) for name, _, value in lines]
        names = [name for name, _ in named]
        assert not [name for name in names if "_" in name], shape.name
        assert dict(named).get("host", "testserver") == "testserver", shape.name
        assert "me" not in dict(named).values(), shape.name
        internal = {name for name in names if name.startswith("x-strangler-")}
        assert internal == {"x-strangler-context", "x-strangler-deadline"}, shape.name
        (token,) = (value for name, value in named if name == "x-strangler-context")
        assert token.count(".") == 2, shape.name
        assert not HOP & set(names), shape.name
        assert len(names) == len(set(names)), shape.name


WAYS = [
    "/_strangler/ports/weather/degrees",
    "/_strangler/events/weather",
    "//_strangler/events/weather",
    "//_strangler/ports/weather/degrees",
    "/_strangler//ports/weather/degrees",
    "/./_strangler/ports/weather/degrees",
    "/weather/../_strangler/ports/weather/degrees",
    "/weather/%2e%2e/_strangler/ports/weather/degrees",
    "/weather/..%2f_strangler/ports/weather/degrees",
    "/%5fstrangler/ports/weather/degrees",
    "/_strangler/%70orts/weather/degrees",
    "/_strangler%2fports/weather/degrees",
    "/_STRANGLER/ports/weather/degrees",
    "/_strangler;x/ports/weather/degrees",
    "/_strangler\\ports/weather/degrees",
    "/_strangler/ports/weather/degrees?",
    "/_strangler/ports/weather/degrees#x",
    "/_strangler/readyz/../ports/weather/degrees",
    "/_strangler/ports/weather/degrees%00",
    "http://testserver/_strangler/ports/weather/degrees",
    "http://testserver/x/../_strangler/ports/weather/degrees",
]


def test_no_port_is_reached_from_outside_whatever_token_one_has(street: Street) -> None:
    """What one kit party may call straight, it may not call through the edge."""
    body = b'{"place": "rome"}'
    home = street.made.home.getsockname()[1]
    for to, port in [("monolith", home), ("weather", street.made.ports[0])]:
        party = Party(street.made.root / "keys", "tides", to=to, url=f"http://127.0.0.1:{port}")

        def asks(at: int, target: str, party: Party = party) -> Answer:
            token = party.token("weather.degrees", use=Use.PORT)
            headers = {"X-Strangler-Context": token, "Content-Type": "application/json"}
            client = Client(at)
            try:
                return client.ask("POST", target, headers, body)
            finally:
                client.close()

        inside = asks(port, WAYS[0])
        assert (inside.status, inside.body) == (200, b"21"), "the token is good for nothing"
        for target in WAYS:
            answer = asks(street.front.port, target)
            assert answer.body != b"21", target
            assert answer.status in {400, 404} or answer.json()["internal"] == [], target
