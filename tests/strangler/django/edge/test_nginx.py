"""All of it, real: a client, NGINX, Django in gunicorn behind it, and a FastAPI service."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from strangler.django.control_plane import state
from strangler.django.edge.forcing import force
from strangler.ladder import Arm, Stage, Standing
from strangler.manifest import load
from strangler.ports.trust import keys, secret
from strangler.ports.trust.keys import Keyring
from strangler.routing.nginx import Settings
from strangler.routing.publish import publish
from tests.bench.harness import serving
from tests.servers import free_port, running
from tests.strangler.django.behind_edge import MANIFEST
from tests.strangler.django.forking import ROOT, forked
from tests.strangler.routing.edge.front import SECRET, Answer, Client, Front

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"

MIGRATE = """
from django.core.management import execute_from_command_line
execute_from_command_line(["django", "migrate", "-v0"])
"""


@dataclass
class Street:
    """The way from the client to either arm."""

    root: Path
    client: Client
    front: Front
    home: Client
    service: Client
    revision: int = 0

    def stand(self, stage: Stage, percent: int = 0) -> None:
        self.revision += 1
        standing = Standing(stage, percent)
        entries = {
            "weather": state.entry(standing, with_tables=False),
            "tides": state.entry(Standing(), with_tables=False),
        }
        publish(self.root / "table", self.revision, entries)

    def log_in(self) -> dict[str, str]:
        """A session, and the token that a page of the site's own would send."""
        answer = self.client.ask("GET", "/login")
        cookies = dict(one.partition(";")[0].split("=", 1) for one in answer.all("Set-Cookie"))
        return {"Cookie": f"sessionid={cookies['sessionid']}; csrftoken={'a' * 32}"}


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    root = tmp_path_factory.mktemp("street")
    for party in ("monolith", "weather"):
        keys.generate(root / "keys", party)
    (root / "keys" / secret.FILE).write_text(SECRET)
    home, there = free_port(), free_port()
    text = MANIFEST.format(
        service=f"http://127.0.0.1:{there}",
        sticky='["header:X-Tenant", "cookie", "address"]',
        timeout="5s",
        failures=1000,
        sample=0,
    ).replace("http://127.0.0.1:9", f"http://127.0.0.1:{home}")
    (root / "capabilities.toml").write_text(text)
    sky = {
        "DJANGO_SETTINGS_MODULE": "tests.assets.sky.settings",
        "SKY_ROOT": str(root),
        "STRANGLER_EDGE": "nginx",
    }
    service = {
        "STRANGLER_MANIFEST": str(root / "capabilities.toml"),
        "STRANGLER_KEYS": str(root / "keys"),
    }
    here = {key: value for key, value in os.environ.items() if key in {"PATH", "HOME", "LANG"}}
    done = forked(MIGRATE, cwd=ROOT, env={**here, **sky, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stderr
    gunicorn = ["-m", "gunicorn", "tests.assets.sky.wsgi:application", "--no-control-socket"]
    front = Front(load(root / "capabilities.toml", {}), Settings(table=str(root / "table")))
    with (
        serving(
            [*gunicorn, "--bind", f"127.0.0.1:{home}"],
            ready=f"http://127.0.0.1:{home}/about",
            log=root / "sky.log",
            env=sky,
        ),
        serving(
            ["-m", "tests.assets.sky.service", str(there)],
            ready=f"http://127.0.0.1:{there}/readyz",
            log=root / "service.log",
            env=service,
        ),
        running(front),
    ):
        made = Street(root, Client(front.port), front, Client(home), Client(there))
        made.stand(Stage.LIVE)
        yield made
        for one in (made.client, made.home, made.service):
            one.close()


def by_service(answer: Answer) -> bool:
    return (answer.status, answer.arm, answer.reason) == (200, "service", "inside")


def test_anybody_s_query_reaches_the_service(street: Street) -> None:
    street.stand(Stage.LIVE)
    answer = street.client.ask("GET", "/weather/rome?x=1&y=", {"traceparent": PARENT})
    assert by_service(answer)
    said = answer.json()
    assert (said["place"], said["query"], said["user"]) == ("rome", "x=1&y=", None)
    assert said["trace"] == TRACE
    assert (answer.header("traceparent") or "").startswith(f"00-{TRACE}-")
    (cookie,) = answer.all("Set-Cookie")
    assert re.fullmatch(
        r"strangler_cohort=\d{1,3}; Max-Age=31536000; Path=/; HttpOnly; SameSite=Lax", cookie
    )


def test_a_command_reaches_it_with_a_token_for_one_delivery(street: Street) -> None:
    street.stand(Stage.LIVE)
    targets = ["/weather/rome", "/weather/rome?", "/weather/a%20b?c=%2F#d"]
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        for target, size in zip(targets, (0, 5, 300_000), strict=True):
            answer = street.client.ask(method, target, {}, b"x" * size)
            assert by_service(answer), answer.body
            assert answer.json() | {"method": method, "size": size} == answer.json()


def test_the_service_knows_who_is_logged_in_and_never_how(street: Street) -> None:
    street.stand(Stage.LIVE)
    mine = street.log_in()
    for method in ("GET", "PUT"):
        trusted = mine | {"X-CSRFToken": "a" * 32}
        answer = street.client.ask(method, "/weather/rome", trusted)
        assert by_service(answer)
        assert (answer.json()["user"], answer.json()["cookies"]) == ("1", None)
    assert street.client.ask("GET", "/weather/rome").json()["user"] is None


def test_what_another_site_has_made_a_browser_send_is_refused(street: Street) -> None:
    street.stand(Stage.LIVE)
    answer = street.client.ask("POST", "/weather/rome", street.log_in(), b"x")
    assert answer.status == 403
    assert b"CSRF" in answer.body


def test_one_client_has_one_cohort_on_either_arm(street: Street) -> None:
    for stage in (Stage.LIVE, Stage.MONOLITH):
        street.stand(stage)
        arms = street.client.ask("GET", "/weather/rome", {"Cookie": "strangler_cohort=421"})
        assert arms.arm == ("service" if stage is Stage.LIVE else "monolith")
        assert arms.all("Set-Cookie") == []
        about = street.client.ask("GET", "/about", {"Cookie": "strangler_cohort=421"})
        assert about.json()["cohort"] == 421
    street.stand(Stage.LIVE)
    answer = street.client.ask("GET", "/weather/rome", {"Cookie": "strangler_cohort=421"})
    assert answer.json()["cohort"] == 421


def test_the_monolith_says_why_it_answers(street: Street) -> None:
    street.stand(Stage.SHADOW)
    answer = street.client.ask("GET", "/weather/rome", {"traceparent": PARENT})
    assert (answer.status, answer.arm, answer.reason) == (200, "monolith", "outside")
    assert answer.all("traceparent") == [answer.header("traceparent")]
    assert TRACE in (answer.header("traceparent") or "")


def test_a_tester_forces_the_arm_of_a_query(street: Street) -> None:
    keyring = Keyring.load(street.root / "keys", "monolith")
    for stage in (Stage.LIVE, Stage.MONOLITH):
        street.stand(stage)
        for arm in Arm:
            token = force(keyring, {"weather": arm}, audience="monolith")
            answer = street.client.ask("GET", "/weather/rome", {"X-Strangler-Force": token})
            assert (answer.status, answer.arm, answer.reason) == (200, arm, "forced")
            refused = street.client.ask("POST", "/weather/rome", {"X-Strangler-Force": token})
            assert refused.status == 400
    assert street.client.ask("GET", "/weather/rome", {"X-Strangler-Force": "x"}).status == 403


@pytest.mark.parametrize("stage", [Stage.LIVE, Stage.MONOLITH])
def test_nobody_outside_can_say_what_only_an_edge_says(street: Street, stage: Stage) -> None:
    street.stand(stage)
    lies = {
        "X-Strangler-Edge": SECRET,
        "X-Strangler-Cohort": "7",
        "X-Strangler-Context": "x",
        "X-Strangler-Reason": "fallback",
        "X-Strangler-Target": "/",
        "X_Strangler_Cohort": "7",
        "Cookie": "strangler_cohort=421",
    }
    answer = street.client.ask("GET", "/weather/rome", lies)
    assert (answer.status, answer.arm) == (200, "service" if stage is Stage.LIVE else "monolith")
    about = street.client.ask("GET", "/about", lies)
    assert (about.json()["cohort"], about.json()["internal"]) == (421, [])


def test_whoever_comes_past_the_edge_proves_nothing(street: Street) -> None:
    street.stand(Stage.LIVE)
    for guess in ("x", SECRET[:-1], SECRET + "0", ""):
        lies = {"X-Strangler-Edge": guess, "X-Strangler-Cohort": "7"}
        asked = street.home.ask("GET", "/_strangler/edge/weather/queries", lies)
        assert (asked.status, asked.header("X-Strangler-Context")) == (403, None)
        answer = street.home.ask("GET", "/about", lies)
        assert answer.status == (403 if guess else 200)
    assert street.service.ask("GET", "/weather/rome").status == 401
    for path in ("/_strangler/edge/weather/queries", "/_strangler/edge/token", "/_strangler/x"):
        assert street.client.ask("GET", path).status == 404


def test_a_command_s_token_is_good_for_one_target_and_once(street: Street) -> None:
    edge = {"X-Strangler-Edge": SECRET, "X-Strangler-Target": "/weather/rome"}
    said = street.home.ask("PUT", "/_strangler/edge/weather/commands", edge)
    token = {"X-Strangler-Context": said.header("X-Strangler-Context") or ""}
    assert street.service.ask("PUT", "/weather/oslo", token, b"a").status == 401
    assert street.service.ask("POST", "/weather/rome", token, b"a").status == 401
    assert street.service.ask("PUT", "/weather/rome", token, b"a").status == 200
    assert street.service.ask("PUT", "/weather/rome", token, b"b").status == 401


def test_no_token_of_a_query_passes_for_a_command(street: Street) -> None:
    edge = {"X-Strangler-Edge": SECRET, "X-Strangler-Target": "/weather/rome"}
    said = street.home.ask("PUT", "/_strangler/edge/weather/queries", edge)
    token = {"X-Strangler-Context": said.header("X-Strangler-Context") or ""}
    assert street.service.ask("PUT", "/weather/rome", token, b"a").status == 401


def test_a_monolith_that_may_not_answer_for_the_service_does_not(street: Street) -> None:
    """It knows how the rows stand, and the edge does not."""
    street.stand(Stage.RETIRED)
    edge = {"X-Strangler-Edge": SECRET, "X-Strangler-Reason": "fallback"}
    answer = street.home.ask("GET", "/weather/rome", edge)
    assert (answer.status, answer.header("X-Strangler-Executed")) == (503, "no")
    street.stand(Stage.CANARY, 10)
    answer = street.home.ask("GET", "/weather/rome", edge)
    assert (answer.status, answer.arm, answer.reason) == (200, "monolith", "fallback")
