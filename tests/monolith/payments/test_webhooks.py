"""What the provider tells by itself: proved, heard once, and harmless in any order."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.core.servers.basehttp import ThreadedWSGIServer
from django.test.testcases import QuietWSGIRequestHandler
from django.utils import timezone
from rest_framework.test import APIClient

from contracts.money import Money
from contracts.payments import PaymentState
from monolith.payments import charging, signing, webhooks
from monolith.payments.models import Intent, Webhook
from monolith.payments.sandbox import core
from monolith.payments.sandbox.core import Asked, Record
from monolith.payments.service import PaymentsService
from monolith.payments.signing import TOLERANCE, Unproved, sign, verify
from monolith.payments.tasks import HEARD, forget_webhooks, settle_payments
from strangler.ports.errors import PortError, TimedOut
from tests.monolith.payments.serving import SECRET, provider

URL = "/api/payments/webhooks/sandbox"
TWELVE = Money(Decimal("12.00"), "EUR")
NOW = 1_800_000_000.0
payments = PaymentsService()


def event(record: Record, name: str = "") -> bytes:
    said = {"id": name or f"evt_{uuid4().hex}", "type": f"payment.{record.state}", "at": int(NOW)}
    return json.dumps({**said, "payment": record.shown()}).encode()


def tell(client: APIClient, body: bytes, *, secret: str = SECRET, ago: float = 0.0) -> Any:
    signature = sign(secret, body, now=time.time() - ago)
    return post(client, body, signature)


def post(client: APIClient, body: bytes, signature: str) -> Any:
    headers = {signing.HEADER: signature}
    return client.post(URL, body, content_type="application/json", headers=headers)


def life(order: UUID) -> list[Record]:
    new = core.authorise(None, str(order), Asked("12.00", "EUR", "card", "cleo"))
    return [new, taken := core.capture(new), core.refund(taken, str(order))]


@pytest.fixture
def lost(as_cleo: Any, db: None, monkeypatch: pytest.MonkeyPatch) -> UUID:
    """An order that is charged, for all we know not yet."""
    order = uuid4()
    with monkeypatch.context() as patched:
        patched.setattr(charging, "provider", nobody)
        with pytest.raises(TimedOut):
            payments.charge(order, TWELVE, "card")
    return order


def nobody() -> None:
    raise TimedOut("late")


def state(order: UUID) -> str:
    return Intent.objects.get(pk=order).state


def test_what_was_not_heard_is_told(lost: UUID, anybody: APIClient):
    for record in life(lost):
        answer = tell(anybody, event(record))
        assert (answer.status_code, answer.json()) == (200, {"new": True})
        assert state(lost) == record.state
    assert Webhook.objects.count() == 3


def test_a_duplicate_is_heard_once(lost: UUID, anybody: APIClient):
    told = event(life(lost)[0])

    assert [tell(anybody, told).json()["new"] for _ in range(3)] == [True, False, False]
    assert Webhook.objects.get().order == lost


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
def test_out_of_order_is_harmless(lost: UUID, anybody: APIClient, order: tuple[int, ...]):
    records = life(lost)
    for index in order:
        for _ in range(2):
            assert tell(anybody, event(records[index])).status_code == 200

    assert state(lost) == PaymentState.REFUNDED


def test_who_does_not_know_the_secret_is_refused(lost: UUID, anybody: APIClient):
    body = event(life(lost)[1])

    refused = [
        tell(anybody, body, secret="guess"),
        tell(anybody, body, secret=""),
        post(anybody, body, ""),
        post(anybody, body, f"t={int(time.time())},v1=é"),
        post(anybody, body.replace(b"12.00", b"13.00"), sign(SECRET, body, now=time.time())),
    ]
    for answer in refused:
        assert (answer.status_code, answer.json()["error"]) == (401, "SignatureRefused")
    assert state(lost) == "created"
    assert not Webhook.objects.exists()


@pytest.mark.parametrize("ago", [TOLERANCE + 60, -TOLERANCE - 60])
def test_what_was_signed_long_ago_is_refused(lost: UUID, anybody: APIClient, ago: float):
    answer = tell(anybody, event(life(lost)[1]), ago=ago)

    assert (answer.status_code, answer.json()["error"]) == (401, "SignatureRefused")
    assert state(lost) == "created"


def test_without_a_secret_nobody_is_believed(lost: UUID, anybody: APIClient, settings: Any):
    settings.PAYMENTS = {**settings.PAYMENTS, "WEBHOOK_SECRETS": []}

    assert tell(anybody, event(life(lost)[1])).status_code == 401
    settings.PAYMENTS = {**settings.PAYMENTS, "WEBHOOK_SECRETS": [""]}
    assert tell(anybody, event(life(lost)[1]), secret="").status_code == 401


def test_a_secret_can_be_changed(lost: UUID, anybody: APIClient, settings: Any):
    settings.PAYMENTS = {**settings.PAYMENTS, "WEBHOOK_SECRETS": ["new", SECRET]}
    records = life(lost)

    assert tell(anybody, event(records[0]), secret="new").status_code == 200
    assert tell(anybody, event(records[1])).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"{}",
        b'{"id":"e","type":"t","payment":{}}',
        b'{"id":"","type":"t","payment":%s}',
        b'{"id":1,"type":"t","payment":%s}',
        b'{"id":"e","type":"%%s","payment":%s}',
        b"\xff",
        b"[" * 20_000,
    ],
    ids=lambda body: body[:30].decode("latin-1"),
)
@pytest.mark.django_db
def test_what_is_no_event_is_refused(anybody: APIClient, body: bytes):
    payment = json.dumps(life(uuid4())[0].shown()).encode()
    if b"%s" in body:
        body = body.replace(b"%%s", b"x" * 65).replace(b"%s", payment)

    answer = tell(anybody, body)

    assert (answer.status_code, answer.json()["error"]) == (400, "InvalidEvent")
    assert not Webhook.objects.exists()


@pytest.mark.django_db
def test_an_event_is_bounded(anybody: APIClient):
    assert tell(anybody, b" " * (webhooks.LIMIT + 1)).status_code == 400


def test_what_is_none_of_ours_or_can_not_be_is_heard_and_changes_nothing(
    lost: UUID, anybody: APIClient
):
    other = core.authorise(None, str(lost), Asked("13.00", "EUR", "card", "cleo"))

    assert tell(anybody, event(life(uuid4())[1])).json() == {"new": True}
    assert tell(anybody, event(other)).json() == {"new": True}
    assert state(lost) == "created"
    assert Intent.objects.count() == 1


def test_what_was_let_go_and_turns_up_is_given_back(
    lost: UUID, anybody: APIClient, time_passes: Callable[[timedelta], None]
):
    time_passes(charging.PATIENCE)
    settle_payments()
    assert state(lost) == "voided"
    authorised = life(lost)[0]
    late = Record(**{**authorised.shown(), "version": 2})

    tell(anybody, event(late))

    assert state(lost) == "refunding"
    assert settle_payments() == 1


def test_what_was_heard_long_ago_is_forgotten(lost: UUID, anybody: APIClient):
    records = life(lost)
    tell(anybody, event(records[0]))
    Webhook.objects.update(received_at=timezone.now() - HEARD - timedelta(days=1))
    tell(anybody, event(records[1]))

    assert forget_webhooks() == 1
    assert Webhook.objects.get().type == "payment.captured"


def test_a_signature_proves_what_it_says():
    body = b'{"a": 1}'
    good = sign("one", body, now=NOW)

    verify(["zero", "one"], good, body, now=NOW + TOLERANCE)
    verify(["one"], f"{good},v1={'0' * 64},v0=x", body, now=NOW)
    time_, digest = good.split(",")
    signed = hmac.new(b"one", b"1800000000." + body, hashlib.sha256).hexdigest()
    assert (time_, digest) == ("t=1800000000", f"v1={signed}")
    for header, said in (
        (good, b'{"a": 2}'),
        (good.replace("t=1800000000", "t=1800000001"), body),
        (time_, body),
        (digest, body),
        (f"{time_},{good}", body),
        (f"t=-1,{digest}", body),
        (f"t=²,{digest}", body),
        (f"{time_},v1=", body),
        (f"{good},{'v1=0,' * 300}", body),
        ("", body),
    ):
        with pytest.raises(Unproved):
            verify(["one"], header, said, now=NOW)
    with pytest.raises(Unproved):
        verify([], good, body, now=NOW)
    for later in (TOLERANCE + 1, -TOLERANCE - 1):
        with pytest.raises(Unproved):
            verify(["one"], good, body, now=NOW + later)


@pytest.fixture
def shop(on_postgres: None) -> Iterator[str]:
    """The monolith, served by threads that each have their own connection to PostgreSQL."""
    with ThreadedWSGIServer(("127.0.0.1", 0), QuietWSGIRequestHandler) as server:
        server.set_app(WSGIHandler())
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.postgres
def test_a_provider_that_repeats_itself_and_mixes_everything_up_is_understood(
    shop: str, settings: Any, tmp_path: Path, as_cleo: Any
):
    """Every answer is lost, so all that is known was told: twice, late, in any order."""
    options = ["--webhook", f"{shop}{URL}", "--secret", SECRET, "--seed", "1"]
    for fault in ("duplicate=0.5", "reorder=0.4", "lose=0.3", "after=1"):
        options += ["--fault", fault]
    orders = [uuid4() for _ in range(3)]
    with provider(tmp_path / "books.sqlite3", *options) as sandbox:
        settings.PAYMENTS = {**settings.PAYMENTS, "PROVIDER_URL": sandbox.url}
        for order in orders:
            until(order, PaymentState.CAPTURED, lambda key: payments.charge(key, TWELVE, "card"))
        for order in orders[::2]:
            until(order, PaymentState.REFUNDED, payments.refund)
        books = sandbox.get("/books")
    for number, order in enumerate(orders):
        refunded = "0" if number % 2 else "12.00"
        assert books[str(order)] == {
            "state": state(order), "currency": "EUR", "charged": "12.00", "refunded": refunded,
        }  # fmt: skip
    assert Webhook.objects.count() >= len(orders) * 2


def until(order: UUID, wanted: PaymentState, ask: Callable[[UUID], Any]) -> None:
    """Ask again and again; what comes of it is never said."""
    limit = time.monotonic() + 60
    while not Intent.objects.filter(pk=order, state=wanted).exists():
        assert time.monotonic() < limit, order
        with contextlib.suppress(PortError):
            ask(order)
        time.sleep(0.02)
