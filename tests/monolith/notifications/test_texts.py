"""What customers read and what their programs are told, to the letter; and texts that can't be."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from contracts.notifications import Channel, Kind
from monolith.notifications import rendering, signing
from monolith.notifications.deciding import ATTEMPTS, identify, pause
from monolith.notifications.rendering import BadText, body, mail, templates
from tests.monolith.notifications.conftest import DATA

ORDER = UUID("0198c0de-0000-7000-8000-000000000001")
SUBJECTS = {
    Kind.ORDER_CONFIRMED: f"Your order {ORDER} is confirmed",
    Kind.ORDER_CANCELLED: f"Your order {ORDER} is cancelled",
    Kind.SHIPMENT_SENT: f"Your order {ORDER} is on its way",
    Kind.SHIPMENT_DELIVERED: f"Your order {ORDER} has arrived",
}
CONFIRMED = f"""Hello Cleo,

thank you for your order. It is paid for, and we are packing:

  2 × LAMP
  1 × DESK

In all: 23.80 EUR

Your order: {ORDER}
"""


@pytest.fixture
def texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(rendering, "TEXTS", tmp_path)
    templates.cache_clear()
    yield tmp_path
    templates.cache_clear()


def test_there_is_a_text_for_each_kind_and_none_is_left_over():
    assert {file.stem for file in rendering.TEXTS.iterdir()} == set(Kind)


@pytest.mark.parametrize("kind", Kind)
def test_each_kind_can_be_read(kind: Kind):
    written = mail(kind, name="Cleo", order=ORDER, data=DATA[kind])

    assert written.subject == SUBJECTS[kind]
    assert written.text.startswith("Hello Cleo,\n")
    assert "$" not in written.text
    for value in DATA[kind].values():
        assert isinstance(value, list) or value in written.text


def test_a_mail_to_the_letter():
    data = DATA[Kind.ORDER_CONFIRMED]
    data = {**data, "lines": [*data["lines"], {"sku": "DESK", "quantity": 1}]}

    assert mail(Kind.ORDER_CONFIRMED, name="Cleo", order=ORDER, data=data).text == CONFIRMED


def test_nobody_writes_headers_by_a_name(texts: Path):
    (texts / "order_cancelled.txt").write_text("Subject: $name\n\nHello $name")

    written = mail(Kind.ORDER_CANCELLED, name="Cleo\r\nBcc: all@example.com", order=ORDER, data={})

    assert written.subject == "Cleo Bcc: all@example.com"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "No such file"),
        ("Hello", "write a line `Subject: …`"),
        ("Subject: x\n\n", "write a line"),
        ("Subject: x\ny\n\nHello", "write a line"),
        ("Subject: x\n\n$ 5", r"write \$\$"),
        ("Subject: $nmae\n\nHello", r"\$nmae is nothing; there are name, order"),
        ("Subject: x\n\n$total", r"\$total is nothing"),
    ],
)
def test_a_text_that_can_not_be_says_so(texts: Path, text: str | None, said: str):
    if text is not None:
        (texts / "order_cancelled.txt").write_text(text)

    with pytest.raises(BadText, match=said):
        templates(Kind.ORDER_CANCELLED)


def test_a_webhook_to_the_letter():
    at = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
    sent = body(Kind.SHIPMENT_SENT, order=ORDER, customer="c", at=at, data=DATA[Kind.SHIPMENT_SENT])

    assert json.loads(sent) == {
        "type": "shipment_sent",
        "timestamp": "2030-01-02T03:04:05+00:00",
        "data": {"order": str(ORDER), "customer": "c", "carrier": "Fig Post", "tracking": "SF1"},
    }


def test_webhooks_are_signed_as_the_standard_says():
    """The example of https://www.standardwebhooks.com, and what anybody would compute."""
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    example = b'{"test": 2432232314}'
    assert (
        signing.signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", example)
        == "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    )
    made = signing.new_secret()
    headers = signing.headers(made, ORDER, b"x", now=7.9)
    digest = hmac.new(
        base64.b64decode(made.removeprefix("whsec_")), f"{ORDER}.7.x".encode(), hashlib.sha256
    ).digest()
    assert headers == {
        "webhook-id": str(ORDER),
        "webhook-timestamp": "7",
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }
    with pytest.raises(ValueError, match="base64"):
        signing.signature("whsec_!", "x", "1", b"")


def test_one_order_has_one_notification_of_each_kind_and_channel():
    made = [identify(ORDER, kind, channel) for kind in Kind for channel in Channel]

    assert made == [identify(ORDER, kind, channel) for kind in Kind for channel in Channel]
    assert len(set(made)) == len(Kind) * len(Channel)
    # Both sides have to agree, and what was sent long ago must be known again.
    assert made[0] == UUID("0b7a3ba3-e4c4-5497-b6ff-711b2081cb32")


def test_pauses_grow_and_end():
    pauses = [pause(attempts) for attempts in range(1, ATTEMPTS)]

    assert None not in pauses
    assert pauses == sorted(set(pauses))  # type: ignore[type-var]  # none is None
    assert pause(ATTEMPTS) is pause(ATTEMPTS + 1) is None
