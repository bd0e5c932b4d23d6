"""The edge: which arm a request goes to, for whom it is done, and what it may not bring along."""

from __future__ import annotations

import base64
import logging
import shutil
import time
from functools import partial
from typing import Any
from urllib.parse import unquote

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import get_user_model
from django.test import AsyncClient
from django.utils import timezone
from joserfc import jws
from joserfc.jwk import OctKey

from strangler.django.edge import forcing
from strangler.django.models import CapabilityState, ControlPlane
from strangler.django.ports import placing
from strangler.ladder import COHORTS, Arm, Stage
from strangler.ports import runtime
from strangler.ports.context import Context, User
from strangler.ports.headers import face
from strangler.ports.trust import keys
from strangler.ports.trust.keys import Keyring
from strangler.ports.trust.tokens import Use, mint
from strangler.routing.cohorts import hashed
from tests.strangler.django.behind_edge import Edge, Reply
from tests.strangler.django.faults import reply

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class TestTheArm:
    def test_a_path_of_no_capability_is_left_alone(self, shop: Edge) -> None:
        answer = shop.ask("GET", "/about//us/../x?y=1")
        assert answer.status == 200
        assert answer.arm is answer.reason is answer.cookie is None
        assert answer.json()["path"] == "/about//us/../x"
        assert shop.service.hits == 0
        assert shop.recorded == []

    def test_the_table_decides(self, shop: Edge) -> None:
        assert shop.ask("GET", "/weather/rome").arm == "monolith"
        assert shop.recorded == [("weather", "monolith", "query", False, False)]
        shop.stand(Stage.LIVE)
        answer = shop.ask("GET", "/weather/rome?days=3")
        assert (answer.status, answer.arm, answer.reason) == (200, "service", "inside")
        assert shop.service.seen[0].target == "/weather/rome?days=3"
        assert shop.recorded[1:] == [("weather", "service", "query", False, False)]
        shop.stand(Stage.LIVE, tables=True, killed=True)
        assert shop.ask("GET", "/weather/rome").arm == "monolith"
        assert shop.ask("POST", "/weather/rome").arm == "service"

    def test_a_declared_post_is_a_query_and_an_undeclared_one_is_not(self, shop: Edge) -> None:
        shop.stand(Stage.CANARY, 100, tables=True)
        assert shop.ask("POST", "/weather/search", body=b"x").arm == "service"
        assert shop.ask("POST", "/weather/rome", body=b"x").arm == "monolith"
        assert shop.ask("DELETE", "/weather/search").arm == "monolith"

    def test_a_canary_is_sticky_and_follows_its_share(self, shop: Edge) -> None:
        shop.stand(Stage.CANARY, 25)
        arms = {
            tenant: shop.ask("GET", "/weather/rome", {"X-Tenant": f"tenant-{tenant}"}).arm
            for tenant in range(200)
        }
        assert 20 < list(arms.values()).count("service") < 80
        shop.stand(Stage.CANARY, 50)
        for tenant, arm in arms.items():
            answer = shop.ask("GET", "/weather/rome", {"X-Tenant": f"tenant-{tenant}"})
            assert answer.arm in {arm, "service"}

    @pytest.mark.parametrize(
        "owned",
        [(Stage.SHADOW, 0, "monolith"), (Stage.CANARY, 99, "monolith"), (Stage.LIVE, 0, "service")],
    )
    def test_a_table_that_is_gone_leaves_it_to_the_owner_and_says_so(
        self,
        shop: Edge,
        caplog: pytest.LogCaptureFixture,
        monkeypatch: pytest.MonkeyPatch,
        owned: tuple[Stage, int, str],
    ) -> None:
        stage, percent, owner = owned
        # It is said once a second, and another test may just have heard it.
        monkeypatch.setattr(placing, "_owners", placing._Owners())
        now = {"since": timezone.now(), "since_revision": 1, "revision": 1}
        ControlPlane.objects.create(revision=1)
        CapabilityState.objects.create(name="weather", stage=stage, percent=percent, **now)
        shop.stand(stage, percent, on_disk=True)
        assert shop.ask("GET", "/weather/rome").reason != "owner"
        shutil.rmtree(shop.root / "table")
        for method in ("GET", "PUT"):
            answer = shop.ask(method, "/weather/rome")
            assert (answer.arm, answer.reason) == (owner, "owner")
        assert "the routing table can't be asked" in caplog.text

    def test_one_request_sees_one_revision(self, shop: Edge) -> None:
        """What is published while the service is asked does not change what may follow."""

        def flip(peer: Any, seen: Any) -> None:
            shop.stand(Stage.RETIRED)
            reply(503)(peer, seen)

        shop.stand(Stage.LIVE)
        shop.service.behave = flip
        assert shop.ask("GET", "/weather/rome").reason == "fallback"
        assert shop.ask("GET", "/weather/rome").status == 503

    def test_every_answer_of_a_capability_carries_the_trace(self, shop: Edge) -> None:
        for stage in (Stage.MONOLITH, Stage.LIVE):
            shop.stand(stage)
            answer = shop.ask("GET", "/weather/rome", {"traceparent": TRACE})
            assert (answer.header("traceparent") or "").split("-")[1] == TRACE.split("-")[1]
        sent = shop.service.seen[0].header("traceparent") or ""
        assert sent.split("-")[1] == TRACE.split("-")[1]
        assert sent.split("-")[2] not in {TRACE.split("-")[2], answer.header("traceparent")}
        begun = shop.ask("GET", "/weather/rome", {"traceparent": "00-zero-zero-01"})
        assert (begun.header("traceparent") or "").startswith("00-")

    def test_a_host_that_is_not_ours_gets_no_further(self, shop: Edge) -> None:
        shop.stand(Stage.LIVE)
        answer = shop.ask("GET", "/weather/rome", HTTP_HOST="evil.example")
        assert answer.status == 400
        assert shop.service.hits == 0


class TestTheCohort:
    def test_a_header_comes_first_and_needs_no_cookie(self, shop: Edge) -> None:
        answer = shop.ask("GET", "/about", {"X-Tenant": "acme"})
        assert answer.json()["cohort"] == hashed("acme")
        assert shop.ask("GET", "/weather/rome", {"X-Tenant": "acme"}).cookie is None
        encoded = "zürich".encode().decode("latin-1")
        assert shop.ask("GET", "/about", {"X-Tenant": encoded}).json()["cohort"] == hashed("zürich")

    def test_the_first_visit_is_the_address_s_and_brings_a_cookie(self, shop: Edge) -> None:
        cookie = shop.ask("GET", "/weather/rome").cookie or ""
        for part in ("HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=31536000"):
            assert part in cookie
        assert "Secure" not in cookie
        number = int(cookie.split("=")[1].split(";")[0])
        assert 0 <= number < COHORTS
        seen = shop.ask("GET", "/about", {"Cookie": f"a=b; strangler_cohort={number}; c=d"})
        assert seen.json()["cohort"] == number
        again = shop.ask("GET", "/weather/rome", {"Cookie": f"strangler_cohort={number}"})
        assert again.cookie is None
        assert shop.ask("GET", "/about").json()["cohort"] == hashed("192.0.2.7")

    def test_over_https_the_cookie_is_secure(self, shop: Edge) -> None:
        answer = shop.ask("GET", "/weather/rome", **{"wsgi.url_scheme": "https"})
        assert "Secure" in (answer.cookie or "")

    @pytest.mark.parametrize("value", ["1000", "-1", "", "07", "x", "1e2", "٣", '"5"x'])
    def test_an_invalid_cookie_is_drawn_anew(self, shop: Edge, value: str) -> None:
        sent = {"Cookie": f"strangler_cohort={value}".encode().decode("latin-1")}
        assert shop.ask("GET", "/weather/rome", sent).cookie is not None
        assert shop.ask("GET", "/about", sent).json()["cohort"] == hashed("192.0.2.7")

    def test_where_there_is_only_the_cookie_the_first_visit_counts(self, shop: Edge) -> None:
        shop.begin(sticky='["cookie"]')
        shop.stand(Stage.CANARY, 50)
        for _ in range(20):
            first = shop.ask("GET", "/weather/rome")
            number = (first.cookie or "").split("=")[1].split(";")[0]
            again = shop.ask("GET", "/weather/rome", {"Cookie": f"strangler_cohort={number}"})
            assert again.arm == first.arm


class TestInternalHeaders:
    NAMES = (
        "X-Strangler-Deadline",
        "X-Strangler-Digest",
        "X-Strangler-Arm",
        "X-Strangler-Reason",
        "X-Strangler-Executed",
        "X-Strangler-Error",
    )

    @pytest.mark.parametrize("target", ["/about", "/weather/rome"])
    def test_they_reach_nobody_from_outside(self, shop: Edge, target: str) -> None:
        shop.stand(Stage.LIVE)
        sent = dict.fromkeys(self.NAMES, "service")
        # A server that maps both spellings to one variable has already chosen by now.
        sent |= {"X_Strangler_Arm": "service"}
        answer = shop.ask("GET", target, sent)
        assert answer.status == 200
        if target == "/about":
            assert answer.json()["internal"] == []
        else:
            names = [name.lower() for name, _ in shop.service.seen[0].headers]
            assert {name for name in names if name.startswith("x-strangler")} == {
                "x-strangler-context",
                "x-strangler-deadline",
            }
            assert shop.service.seen[0].header("X-Strangler-Deadline") != "service"

    def test_a_service_can_t_speak_as_the_edge(self, shop: Edge) -> None:
        shop.stand(Stage.LIVE)
        shop.service.behave = reply(200, {}, "X-Strangler-Arm: monolith", "X-Strangler-Error: x")
        answer = shop.ask("GET", "/weather/rome")
        assert answer.arm == "service"
        assert answer.header("X-Strangler-Error") is None

    def test_a_token_of_a_party_is_answered_here_whatever_the_table_says(self, shop: Edge) -> None:
        shop.stand(Stage.LIVE)
        token = shop.token(user=User("7", ("staff",)), cohort=17, hops=1)
        answer = shop.ask("GET", "/weather/rome", {"X-Strangler-Context": token})
        assert (answer.arm, answer.reason, answer.cookie) == ("monolith", "carried", None)
        assert shop.service.hits == 0
        assert shop.recorded == []

    def test_a_party_s_context_is_that_of_the_view(self, shop: Edge) -> None:
        keyring = Keyring.load(shop.root / "keys", "weather")
        token = mint(
            keyring,
            Context(user=User("7"), cohort=17, hops=1),
            audience="monolith",
            use=Use.HTTP,
            action=face("monolith", "GET"),
        )
        said = shop.ask("GET", "/about", {"X-Strangler-Context": token}).json()
        assert (said["user"], said["cohort"], said["internal"]) == ("7", 17, [])

    def test_a_shadow_s_command_is_refused(self, shop: Edge) -> None:
        token = shop.token(shadow=True, hops=1, method="POST", body=b"x")
        answer = shop.ask("POST", "/weather/rome", {"X-Strangler-Context": token}, b"x")
        assert (answer.status, answer.json()["error"]) == (403, "ShadowRefused")
        assert answer.header("X-Strangler-Executed") == "no"
        assert shop.asked == []

    def test_what_a_shadow_writes_is_gone(self, shop: Edge) -> None:
        token = shop.token(shadow=True, hops=1)
        shop.ask("GET", "/weather/write", {"X-Strangler-Context": token})
        assert shop.asked == [("GET", "/weather/write")]
        assert get_user_model().objects.count() == 0
        shop.ask("GET", "/weather/write")
        assert get_user_model().objects.count() == 1

    def test_a_command_s_token_is_good_once_and_for_one_body(self, shop: Edge) -> None:
        token = shop.token(hops=1, method="POST", body=b"x")
        altered = shop.ask("POST", "/weather/rome", {"X-Strangler-Context": token}, b"y")
        assert altered.status == 403
        assert shop.ask("POST", "/weather/rome", {"X-Strangler-Context": token}, b"x").status == 201
        again = shop.ask("POST", "/weather/rome", {"X-Strangler-Context": token}, b"x")
        assert (again.status, len(shop.asked)) == (403, 1)

    def test_and_for_one_target(self, shop: Edge) -> None:
        token = shop.token(hops=1, method="POST", body=b"x", target="/weather/rome?a=1")
        for target in ("/weather/oslo?a=1", "/weather/rome", "/weather/rome?a=2"):
            asked = shop.ask("POST", target, {"X-Strangler-Context": token}, b"x")
            assert (asked.status, asked.json()["error"]) == (403, "TokenRefused")
        asked = shop.ask("POST", "/weather/rome?a=1", {"X-Strangler-Context": token}, b"x")
        assert (asked.status, len(shop.asked)) == (201, 1)


def _none(token: str) -> str:
    header = base64.urlsafe_b64encode(b'{"alg":"none","kid":"weather","typ":"strangler+jwt"}')
    return f"{header.rstrip(b'=').decode()}.{token.split('.')[1]}."


def _symmetric(token: str) -> str:
    """Signed with the public key as if it were a shared secret."""
    payload = jws.extract_compact(token.encode()).payload
    header = {"alg": "HS256", "kid": "weather", "typ": "strangler+jwt"}
    key = OctKey.import_key("a-public-key-is-no-secret-to-anybody")
    return jws.serialize_compact(header, payload, key)


class TestMounted:
    """A project under a prefix, as the server or the settings say."""

    def ask(self, shop: Edge, target: str, **more: Any) -> Reply:
        path = target.removeprefix("/x").partition("?")[0]
        environ = {"SCRIPT_NAME": "/x", "PATH_INFO": unquote(path)}
        return shop.ask("POST", target, body=b"{}", **environ | more)

    @pytest.mark.parametrize("told", [{}, {"RAW_URI": ""}], ids=["RAW_URI", "no RAW_URI"])
    @pytest.mark.parametrize("path", ["/weather/rome?a=%20", "/weather/r%20me"])
    def test_what_django_routes_is_matched_and_forwarded(
        self, shop: Edge, path: str, told: dict[str, str]
    ) -> None:
        shop.stand(Stage.LIVE)
        answer = self.ask(shop, f"/x{path}", **told)
        assert (answer.status, answer.arm) == (200, "service")
        assert [seen.target for seen in shop.service.seen] == [path]

    def test_the_settings_prefix_counts_too(self, shop: Edge, settings: Any) -> None:
        settings.FORCE_SCRIPT_NAME = "/x"
        shop.begin()
        shop.stand(Stage.LIVE)
        assert shop.ask("POST", "/weather/rome", body=b"{}").arm == "service"

    def test_the_prefix_is_no_part_of_a_route(self, shop: Edge) -> None:
        shop.stand(Stage.LIVE)
        elsewhere = {"SCRIPT_NAME": "/weather", "PATH_INFO": "/about"}
        answer = shop.ask("GET", "/weather/about", **elsewhere)
        assert (answer.status, answer.arm) == (200, None)

    def test_odd_paths_are_refused_there_too(self, shop: Edge) -> None:
        shop.stand(Stage.LIVE)
        answer = self.ask(shop, "/x//weather/rome")
        assert (answer.status, answer.json()["error"]) == (400, "OddPath")
        assert (answer.header("traceparent") or "").startswith("00-")
        assert (shop.asked, shop.service.hits) == ([], 0)


class TestTokensThatProveNothing:
    @pytest.fixture(params=["expired", "foreign", "none", "symmetric", "altered", "use", "huge"])
    def token(self, request: pytest.FixtureRequest, shop: Edge) -> str:
        kind = request.param
        good = shop.token(hops=1)
        if kind == "expired":
            keyring = Keyring.load(shop.root / "keys", "weather")
            return mint(
                keyring,
                Context(),
                audience="monolith",
                use=Use.HTTP,
                action="weather GET",
                now=time.time() - 60,
            )
        if kind == "foreign":
            keys.generate(shop.root / "elsewhere", "weather")
            shutil.copy(shop.root / "elsewhere" / "weather.private.json", shop.root / "foreign")
            keyring = Keyring.load(shop.root / "elsewhere", "weather")
            return mint(keyring, Context(), audience="monolith", use=Use.HTTP, action="weather GET")
        if kind == "use":
            return shop.token(use=Use.PORT, hops=1)
        return {
            "none": _none(good),
            "symmetric": _symmetric(good),
            "altered": good[:-8] + "AAAAAAAA",
            "huge": good + "A" * 100_000,
        }[kind]

    @pytest.mark.parametrize("header", ["X-Strangler-Context", "X-Strangler-Force"])
    @pytest.mark.parametrize("target", ["/about", "/weather/rome"])
    def test_they_are_refused(self, shop: Edge, token: str, header: str, target: str) -> None:
        shop.stand(Stage.LIVE)
        answer = shop.ask("GET", target, {header: token})
        assert (answer.status, answer.json()["error"]) == (403, "TokenRefused")
        assert answer.header("X-Strangler-Executed") == "no"
        assert shop.asked == []
        assert shop.service.hits == 0


class TestForcing:
    def forced(self, shop: Edge, arm: Arm = Arm.SERVICE) -> dict[str, str]:
        token = forcing.force(shop.keyring, {"weather": arm}, audience="monolith")
        return {"X-Strangler-Force": token}

    def test_a_tester_sees_the_service_before_anybody(self, shop: Edge) -> None:
        answer = shop.ask("GET", "/weather/rome", self.forced(shop))
        assert (answer.arm, answer.reason) == ("service", "forced")
        assert "x-strangler-force" not in [name for name, _ in shop.service.seen[0].headers]
        shop.stand(Stage.LIVE)
        assert shop.ask("GET", "/weather/rome", self.forced(shop, Arm.MONOLITH)).arm == "monolith"

    def test_ports_see_it_too(self, shop: Edge) -> None:
        said = shop.ask("GET", "/about", self.forced(shop)).json()
        assert (said["forced"], said["internal"]) == ({"weather": "service"}, [])

    @pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
    def test_a_command_can_t_be_forced(self, shop: Edge, method: str) -> None:
        answer = shop.ask(method, "/weather/rome", self.forced(shop))
        assert (answer.status, answer.json()["error"]) == (400, "CommandForced")
        assert shop.asked == []
        assert shop.service.hits == 0


ODD = [
    "//weather/rome",
    "/weather//rome",
    "/weather/../weather/rome",
    "/x/../weather/rome",
    "/weather/./rome",
    "/weather%2Frome",
    "/weather%2frome",
    "/%77eather/..%2Fweather/rome",
    "/weather/%2e%2e/weather/x",
    "/weather/rome\\..\\x",
    "/weather/%5c",
    "/weather/%00",
    "/weather/%zz",
    "/weather/%ff",
    "/weather/rome%0d%0aX: y",
]


class TestPaths:
    @pytest.mark.parametrize("target", ODD)
    def test_a_path_with_two_readings_is_refused(self, shop: Edge, target: str) -> None:
        shop.stand(Stage.LIVE)
        answer = shop.ask("GET", target)
        assert (answer.status, answer.json()["error"]) == (400, "OddPath")
        assert shop.asked == []
        assert shop.service.hits == 0

    @pytest.mark.parametrize("target", ["/weatherx", "/weather-forecast/x", "/Weather/", "/api"])
    def test_a_neighbour_is_no_capability(self, shop: Edge, target: str) -> None:
        shop.stand(Stage.LIVE)
        answer = shop.ask("GET", target)
        assert answer.arm is None
        assert shop.service.hits == 0

    @pytest.mark.parametrize(
        ("target", "forwarded"),
        [
            ("/weather/z%C3%BCrich?a=%20b&c", "/weather/z%C3%BCrich?a=%20b&c"),
            ("/weather/%72ome", "/weather/%72ome"),
            ("/weather", "/weather"),
            ("/weather/a;b=c,d", "/weather/a;b=c,d"),
            ("http://testserver/weather/rome?x", "/weather/rome?x"),
        ],
    )
    def test_what_was_sent_is_what_arrives(self, shop: Edge, target: str, forwarded: str) -> None:
        shop.stand(Stage.LIVE)
        path = target.removeprefix("http://testserver")
        assert shop.ask("GET", path, RAW_URI=target).arm == "service"
        assert shop.service.seen[0].target == forwarded

    def test_a_server_that_does_not_tell_gets_the_path_quoted_anew(self, shop: Edge) -> None:
        shop.stand(Stage.LIVE)
        assert shop.ask("GET", "/weather/z%C3%BCrich%20s?q=%20", RAW_URI="").arm == "service"
        assert shop.service.seen[0].target == "/weather/z%C3%BCrich%20s?q=%20"
        assert shop.ask("GET", "/weather//rome", RAW_URI="").status == 400

    def test_a_path_that_the_server_has_rewritten_is_the_one_that_counts(self, shop: Edge) -> None:
        shop.stand(Stage.LIVE)
        assert shop.ask("GET", "/weather/rome", RAW_URI="/elsewhere").arm == "service"
        assert shop.service.seen[0].target == "/weather/rome"
        assert shop.ask("GET", "/about", RAW_URI="/weather/rome").arm is None


class TestBehindNginx:
    @pytest.fixture
    def nginx(self, shop: Edge, settings: Any) -> Edge:
        settings.STRANGLER = settings.STRANGLER | {"EDGE": "nginx"}
        shop.begin()
        return shop

    def test_it_does_not_decide(self, nginx: Edge) -> None:
        nginx.stand(Stage.LIVE)
        answer = nginx.ask("GET", "/weather/rome")
        assert (answer.arm, nginx.service.hits, nginx.recorded) == ("monolith", 0, [])

    def test_it_keeps_internal_headers_out_all_the_same(self, nginx: Edge) -> None:
        said = nginx.ask("GET", "/about", {"X-Strangler-Arm": "service"}).json()
        assert said["internal"] == []
        assert nginx.ask("GET", "/about", {"X-Strangler-Context": "x"}).status == 403


def test_a_project_that_is_not_wired_says_what_is_missing(
    shop: Edge, caplog: pytest.LogCaptureFixture
) -> None:
    shop.stand(Stage.LIVE)
    with runtime.configured(keyring=None), caplog.at_level(logging.ERROR):
        assert shop.ask("GET", "/weather/rome").status == 500
    assert "INSTALLED_APPS" in caplog.text


class TestUnderAsgi:
    """Django runs the middleware in a thread, between an async server and an async view."""

    @pytest.fixture
    def client(self, shop: Edge) -> AsyncClient:
        return AsyncClient(headers={"host": "testserver"})

    def test_it_decides(self, shop: Edge, client: AsyncClient) -> None:
        shop.stand(Stage.LIVE)
        answer = async_to_sync(client.get)("/weather/rome?a=1")
        assert answer.headers["X-Strangler-Arm"] == "service"
        assert shop.service.seen[0].target == "/weather/rome?a=1"
        put = partial(client.put, content_type="text/plain")
        assert async_to_sync(put)("/weather/rome", b"warm").headers["X-Strangler-Arm"] == "service"
        assert shop.service.seen[1].body == b"warm"
        shop.service.behave = reply(503, {}, "X-Strangler-Executed: no")
        fallen = async_to_sync(put)("/weather/rome", b"warm")
        assert (fallen.headers["X-Strangler-Arm"], fallen.json()["size"]) == ("monolith", 4)
        assert async_to_sync(client.get)("/weather//rome").status_code == 400

    def test_an_async_view_has_the_context(self, shop: Edge, client: AsyncClient) -> None:
        said = async_to_sync(client.get)("/later", headers={"X-Tenant": "acme"}).json()
        assert said["cohort"] == hashed("acme")
