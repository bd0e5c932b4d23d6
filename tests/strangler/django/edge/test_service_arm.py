"""What a service gets to see of a request, and what a client gets to see of its answer."""

from __future__ import annotations

import gzip
import io
import json
import time
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth import get_user_model
from gunicorn.http.errors import InvalidChunkSize

from strangler.django.edge import proxy, service_arm, spool
from strangler.ladder import Stage
from strangler.ports.context import Context, User
from strangler.ports.face import LIMIT
from strangler.ports.headers import face
from strangler.ports.trust.keys import Keyring
from strangler.ports.trust.tokens import TokenRefused, Use, verify
from tests.strangler.django.behind_edge import Edge
from tests.strangler.django.faults import Gone, Seen, reply


@pytest.fixture(autouse=True)
def live(shop: Edge) -> None:
    shop.stand(Stage.LIVE)


def proved(shop: Edge, seen: Seen, *, once: bool = False) -> Context:
    """What the service reads in the token."""
    return verify(
        Keyring.load(shop.root / "keys", "weather"),
        seen.header("X-Strangler-Context") or "",
        use=Use.HTTP,
        action=face("weather", seen.method),
        once=once,
        body=seen.body if once else None,
        target=seen.target,
    )


def log_in(shop: Edge) -> dict[str, str]:
    """A session, as a browser keeps it, and the CSRF token of its cookie."""
    said = shop.ask("POST", "/login")
    cookies = [value for name, value in said.headers if name == "Set-Cookie"]
    session = next(one for one in cookies if one.strip().startswith("sessionid="))
    csrf = next((one for one in cookies if one.strip().startswith("csrftoken=")), None)
    found = {"Cookie": session.strip().split(";")[0]}
    if csrf:
        found["Cookie"] += "; " + csrf.strip().split(";")[0]
        found["X-CSRFToken"] = csrf.split("=")[1].split(";")[0]
    return found


class TestWhatGoesThere:
    def test_the_request_as_it_was(self, shop: Edge) -> None:
        sent = {
            "Accept": "text/x",
            "Accept-Language": "it",
            "X-Tenant": "acme",
            "Content-Type": "a/b",
        }
        shop.ask("PUT", "/weather/rome?a=%20", sent, b"\x00\xff body")
        (seen,) = shop.service.seen
        assert (seen.method, seen.target, seen.body) == (
            "PUT",
            "/weather/rome?a=%20",
            b"\x00\xff body",
        )
        for name, value in sent.items():
            assert seen.header(name) == value
        assert [value for name, value in seen.headers if name.lower() == "content-length"] == ["7"]
        assert seen.header("Transfer-Encoding") is None

    def test_who_asked_and_where(self, shop: Edge) -> None:
        shop.ask("GET", "/weather/rome", {"X-Forwarded-For": "203.0.113.9", "X-Real-IP": "1.1.1.1"})
        (seen,) = shop.service.seen
        assert seen.header("Host") == seen.header("X-Forwarded-Host") == "testserver"
        assert seen.header("X-Forwarded-For") == "203.0.113.9, 192.0.2.7"
        assert seen.header("X-Forwarded-Proto") == "http"
        assert seen.header("X-Real-IP") is None

    @pytest.mark.parametrize(
        "name",
        [
            "Authorization", "Proxy-Authorization", "Cookie", "X-Api-Key", "X-Auth-Token",
            "X-CSRFToken", "X-Session-Id", "X-Amz-Security-Token", "X-Client-Secret",
        ],
    )  # fmt: skip
    def test_credentials_never_do(self, shop: Edge, name: str) -> None:
        shop.ask("GET", "/weather/rome", {name: "s3cr3t=1"})
        assert "s3cr3t" not in str(shop.service.seen)

    @pytest.mark.parametrize(
        "name",
        ["Connection", "Keep-Alive", "TE", "Upgrade", "Trailer", "Proxy-Connection", "Expect"],
    )
    def test_what_concerns_one_connection_only_does_not(self, shop: Edge, name: str) -> None:
        shop.ask("GET", "/weather/rome", {name: "x-hop", "Connection": "x-hop", "X-Hop": "1"})
        (seen,) = shop.service.seen
        assert "x-hop" not in str(seen).lower()

    def test_a_token_says_for_whom(self, shop: Edge) -> None:
        user = get_user_model().objects.create(username="bob", email="b@x", is_staff=True)
        session = log_in(shop)
        shop.ask("GET", "/weather/rome", session | {"X-Tenant": "acme"})
        context = proved(shop, shop.service.seen[0])
        assert context.caller == "monolith"
        assert context.user == User(str(get_user_model().objects.get(username="ann").pk))
        assert (context.hops, context.shadow, context.forced) == (1, False, {})
        assert context.user.id != str(user.pk)
        shop.ask("GET", "/weather/rome")
        assert proved(shop, shop.service.seen[1]).user is None

    def test_staff_is_a_role(self, shop: Edge) -> None:
        get_user_model().objects.create(username="ann", email="a@x", is_staff=True)
        shop.ask("GET", "/weather/rome", log_in(shop))
        user = proved(shop, shop.service.seen[0]).user
        assert user is not None
        assert user.roles == ("staff",)

    def test_the_project_says_who_its_users_are(self, shop: Edge, settings: Any) -> None:
        settings.STRANGLER = settings.STRANGLER | {"IDENTIFY": "tests.assets.sky.habits.by_header"}
        shop.begin()
        shop.ask("GET", "/weather/rome", {"X-Who": "cara"})
        assert proved(shop, shop.service.seen[0]).user == User("cara", ("guest",))

    @pytest.mark.parametrize("method", ["GET", "POST"])
    def test_who_the_project_refuses_is_no_service_s(
        self, shop: Edge, settings: Any, method: str
    ) -> None:
        settings.STRANGLER = settings.STRANGLER | {"IDENTIFY": "tests.assets.sky.habits.by_name"}
        shop.begin()
        answer = shop.ask(method, "/weather/rome", {"X-Who": "nobody"})
        assert (answer.status, answer.body) == (401, b"you are not")
        assert (shop.service.seen, shop.asked) == ([], [])
        assert shop.ask("GET", "/weather/rome", {"X-Who": "cara"}).arm == "service"

    def test_a_command_s_token_is_for_its_body_only(self, shop: Edge) -> None:
        shop.ask("POST", "/weather/rome", body=b"pay 1")
        (seen,) = shop.service.seen
        assert proved(shop, seen, once=True).caller == "monolith"
        with pytest.raises(TokenRefused):
            proved(shop, seen, once=True)
        shop.ask("POST", "/weather/rome", body=b"pay 1")
        with pytest.raises(TokenRefused):
            proved(shop, shop.service.seen[1]._replace(body=b"pay 1000"), once=True)

    @pytest.mark.parametrize("other", ["/weather/oslo", "/weather/rome?a=1", "/weather/rome?a=2&b"])
    def test_and_for_its_target_only(self, shop: Edge, other: str) -> None:
        shop.ask("POST", "/weather/rome?a=2", body=b"pay 1")
        (seen,) = shop.service.seen
        with pytest.raises(TokenRefused, match="the target"):
            proved(shop, seen._replace(target=other), once=True)
        assert proved(shop, seen, once=True).caller == "monolith"

    def test_a_fragment_is_no_part_of_a_target(self, shop: Edge) -> None:
        shop.ask("POST", "/weather/rome?a=2#b", body=b"pay 1", QUERY_STRING="a=2")
        (seen,) = shop.service.seen
        assert seen.target == "/weather/rome?a=2"
        assert proved(shop, seen, once=True).caller == "monolith"

    def test_what_is_left_of_the_time(self, shop: Edge) -> None:
        shop.ask("GET", "/weather/rome")
        assert 0 < float(shop.service.seen[0].header("X-Strangler-Deadline") or 0) <= 5


class TestBodies:
    @pytest.mark.parametrize("size", [0, 1, spool.IN_MEMORY, spool.LIMIT])
    def test_a_body_of_any_size_reaches_either_arm(self, shop: Edge, size: int) -> None:
        body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
        shop.ask("PUT", "/weather/rome", body=body)
        assert shop.service.seen[0].body == body
        shop.service.behave = reply(503, {}, "X-Strangler-Executed: no")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(django_settings, "DATA_UPLOAD_MAX_MEMORY_SIZE", None)
            said = shop.ask("PUT", "/weather/rome", body=body)
        assert (said.arm, said.json()) == ("monolith", {"done": "PUT", "size": size})

    def test_one_that_is_too_large_is_refused_unread(self, shop: Edge) -> None:
        said = shop.ask("PUT", "/weather/rome", CONTENT_LENGTH=str(spool.LIMIT + 1))
        assert (said.status, said.json()["error"]) == (413, "TooLarge")
        assert shop.service.hits == 0

    @pytest.mark.parametrize("target", ["/weather/rome", "/weather/search"])
    def test_one_that_no_service_takes_does_not_go_to_it(self, shop: Edge, target: str) -> None:
        assert spool.LIMIT == LIMIT
        said = shop.ask("POST", target, body=b" " * (LIMIT + 1))
        assert (said.status, said.json()["error"]) == (413, "TooLarge")
        assert (shop.service.hits, shop.recorded) == (0, [])

    def test_a_chunked_one_is_read_to_its_end(self, shop: Edge) -> None:
        """As gunicorn hands it over: decoded, and with its own end."""
        chunked = {"wsgi.input": io.BytesIO(b"in pieces"), "wsgi.input_terminated": True}
        shop.ask("PUT", "/weather/rome", {"Transfer-Encoding": "chunked"}, **chunked)
        (seen,) = shop.service.seen
        assert (seen.body, seen.header("Content-Length")) == (b"in pieces", "9")

    def test_one_that_breaks_its_framing_is_refused(self, shop: Edge) -> None:
        class Malformed(io.BytesIO):
            def read(self, size: int | None = -1, /) -> bytes:
                raise InvalidChunkSize(b"-2")

        chunked = {"wsgi.input": Malformed(), "wsgi.input_terminated": True}
        said = shop.ask("PUT", "/weather/rome", {"Transfer-Encoding": "chunked"}, **chunked)
        assert (said.status, said.json()["error"]) == (400, "InvalidRequest")
        assert shop.service.hits == 0

    def test_a_form_arrives_whole_though_csrf_was_looked_for_in_it(self, shop: Edge) -> None:
        session = log_in(shop)
        token = session.pop("X-CSRFToken")
        form = f"csrfmiddlewaretoken={token}&city=rome".encode()
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        said = shop.ask("POST", "/weather/rome", session | kind, form)
        assert (said.status, said.arm) == (200, "service")
        assert shop.service.seen[0].body == form
        many = (
            f'--b\r\nContent-Disposition: form-data; name="csrfmiddlewaretoken"\r\n\r\n{token}\r\n'
            '--b\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n'
            + "x" * 900_000
            + "\r\n--b--\r\n"
        ).encode()
        kind = {"Content-Type": "multipart/form-data; boundary=b"}
        said = shop.ask("POST", "/weather/rome", session | kind, many)
        assert (said.status, said.arm) == (200, "service")
        assert shop.service.seen[1].body == many


class TestForgery:
    """Another site makes a browser send its session's cookie."""

    @pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
    @pytest.mark.parametrize("target", ["/weather/rome", "/weather/search"])
    def test_it_gets_no_further(self, shop: Edge, method: str, target: str) -> None:
        session = log_in(shop)
        del session["X-CSRFToken"]
        said = shop.ask(method, target, session, b"{}")
        assert said.status == 403
        assert shop.service.hits == 0
        assert said.arm is None
        assert shop.recorded == []

    def test_the_session_s_own_site_is_let_through(self, shop: Edge) -> None:
        assert shop.ask("POST", "/weather/rome", log_in(shop), b"{}").arm == "service"
        assert shop.service.hits == 1

    @pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://testserver.evil"])
    def test_another_origin_is_not_even_with_the_token(self, shop: Edge, origin: str) -> None:
        said = shop.ask("POST", "/weather/rome", log_in(shop) | {"Origin": origin}, b"{}")
        assert (said.status, shop.service.hits) == (403, 0)

    def test_safe_methods_need_no_token(self, shop: Edge) -> None:
        session = log_in(shop)
        del session["X-CSRFToken"]
        assert shop.ask("GET", "/weather/rome", session).arm == "service"

    def test_a_client_without_a_session_needs_none(self, shop: Edge) -> None:
        assert shop.ask("POST", "/weather/rome", body=b"{}").arm == "service"
        stale = {"Cookie": "sessionid=long-forgotten"}
        assert shop.ask("POST", "/weather/rome", stale, b"{}").arm == "service"

    @pytest.mark.parametrize("credential", ["Basic YTpi", "Bearer x", ""])
    def test_a_header_by_which_nobody_is_known_opens_nothing(
        self, shop: Edge, credential: str
    ) -> None:
        evil = {"Origin": "https://evil.example", "Authorization": credential}
        said = shop.ask("POST", "/weather/rome", log_in(shop) | evil, b"{}")
        assert (said.status, shop.service.hits) == (403, 0)

    def test_one_that_names_itself_by_a_header_needs_none(self, shop: Edge, settings: Any) -> None:
        settings.STRANGLER = settings.STRANGLER | {"IDENTIFY": "tests.assets.sky.habits.by_either"}
        shop.begin()
        session = log_in(shop)
        del session["X-CSRFToken"]
        elsewhere = session | {"Origin": "https://app.example"}
        body = b'{"whole": true}'
        said = shop.ask("POST", "/weather/rome", elsewhere | {"X-Who": "cara"}, body)
        assert said.arm == "service"
        (seen,) = shop.service.seen
        assert (seen.body, proved(shop, seen).user) == (body, User("cara", ("guest",)))
        assert shop.ask("POST", "/weather/rome", elsewhere, body).status == 403


class TestWhatComesBack:
    def test_the_answer_as_it_was(self, shop: Edge) -> None:
        shop.service.behave = reply(
            206, b"\x00\xff", "X-Thing: caf\xe9", "ETag: W/x", "Link: <a>", "Link: <b>", kind="a/b"
        )
        said = shop.ask("GET", "/weather/rome")
        assert (said.status, said.body, said.arm) == (206, b"\x00\xff", "service")
        assert said.header("Content-Type") == "a/b"
        assert said.header("X-Thing") == "caf\xe9"
        assert said.header("ETag") == "W/x"
        assert said.header("Link") == "<a>, <b>"
        assert said.header("Content-Length") == "2"

    def test_without_what_concerns_one_connection_only(self, shop: Edge) -> None:
        shop.service.behave = reply(
            200, {},
            "Connection: keep-alive, X-Hop", "X-Hop: 1", "Keep-Alive: 5", "Server: uvicorn",
            "Date: yesterday", "Upgrade: h2c", "traceparent: theirs",
        )  # fmt: skip
        names = [name.lower() for name, _ in shop.ask("GET", "/weather/rome").headers]
        for name in ("connection", "x-hop", "keep-alive", "server", "date", "upgrade"):
            assert name not in names
        assert names.count("traceparent") == 1

    @pytest.mark.parametrize("status", [204, 304])
    def test_an_answer_without_a_body(self, shop: Edge, status: int) -> None:
        def behave(peer: Any, seen: Seen) -> None:
            peer.sendall(f"HTTP/1.1 {status} No\r\nETag: x\r\n\r\n".encode())

        shop.service.behave = behave
        said = shop.ask("GET", "/weather/rome")
        assert (said.status, said.body) == (status, b"")
        assert said.header("Content-Length") in {None, "0"}

    def test_a_head_keeps_the_length_of_what_it_stands_for(self, shop: Edge) -> None:
        shop.service.behave = reply(200, b"x" * 1234)
        said = shop.ask("HEAD", "/weather/rome")
        assert (said.body, said.header("Content-Length")) == (b"", "1234")

    def test_an_encoding_is_left_as_it_is(self, shop: Edge) -> None:
        squeezed = gzip.compress(b"x" * 1000)
        shop.service.behave = reply(200, squeezed, "Content-Encoding: gzip")
        said = shop.ask("GET", "/weather/rome", {"Accept-Encoding": "gzip"})
        assert said.body == squeezed
        assert shop.service.seen[0].header("Accept-Encoding") == "gzip"

    def test_a_redirect_is_the_client_s_to_follow(self, shop: Edge) -> None:
        shop.service.behave = reply(302, {}, "Location: /weather/elsewhere")
        said = shop.ask("GET", "/weather/rome")
        assert (said.status, said.header("Location")) == (302, "/weather/elsewhere")
        assert shop.service.hits == 1

    def test_early_hints_are_not_the_answer(self, shop: Edge) -> None:
        def behave(peer: Any, seen: Seen) -> None:
            peer.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n")
            reply(200, {"late": True})(peer, seen)

        shop.service.behave = behave
        assert shop.ask("GET", "/weather/rome").json() == {"late": True}

    def test_a_chunked_answer(self, shop: Edge) -> None:
        def behave(peer: Any, seen: Seen) -> None:
            peer.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            peer.sendall(b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")

        shop.service.behave = behave
        assert shop.ask("GET", "/weather/rome").body == b"abcde"

    def test_more_than_is_awaited_comes_as_a_stream(self, shop: Edge) -> None:
        body = b"0123456789abcdef" * (proxy.BUFFER // 16 + 4096)
        shop.service.behave = reply(200, body)
        said = shop.ask("GET", "/weather/rome")
        assert said.body == body
        assert said.header("Content-Length") is None

    def test_a_stream_of_events_begins_at_once(self, shop: Edge) -> None:
        def behave(peer: Any, seen: Seen) -> None:
            peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n")
            # Longer than the whole answer of anything else may take.
            time.sleep(0.6)
            peer.sendall(b"data: 2\n\n")
            raise Gone

        shop.begin(timeout="400ms")
        shop.service.behave = behave
        assert shop.ask("GET", "/weather/rome").body == b"data: 1\n\ndata: 2\n\n"


def test_a_body_that_somebody_else_has_read_is_said_to_be(
    shop: Edge, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.MIDDLEWARE = ["tests.assets.sky.habits.greedy", *settings.MIDDLEWARE]
    shop.begin()
    assert shop.ask("POST", "/weather/rome", body=b"x").status == 500
    assert "put strangler's middleware before the one that reads it" in caplog.text


def test_one_service_is_kept_for_the_whole_process(shop: Edge) -> None:
    assert service_arm.service("weather") is service_arm.service("weather")
    assert json.loads(shop.ask("GET", "/weather/rome").body) == {"ok": True}
