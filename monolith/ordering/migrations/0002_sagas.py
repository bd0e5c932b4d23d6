"""Orders are placed and cancelled by sagas: those that are under way go on as such."""

from __future__ import annotations

import json
import time
from decimal import Decimal
from typing import Any

from django.db import migrations, models

CHECKOUT = ["begin", "quote", "reserve", "charge", "commit", "confirm"]
CANCEL = ["cancel", "release", "refund"]
AMOUNTS = ("subtotal", "discount", "tax", "rounding", "total")
PATIENCE = 600.0


def hand_over(apps: Any, schema_editor: Any) -> None:
    """Every order that is being placed, or owes goods, becomes a saga that has come as far."""
    if schema_editor.connection.vendor == "postgresql":  # whoever still serves writes nothing more
        schema_editor.execute("LOCK TABLE ordering_order IN SHARE ROW EXCLUSIVE MODE")
    using = schema_editor.connection.alias
    rows = apps.get_model("ordering", "Order").objects.using(using)
    sagas = Sagas(apps, using)
    for row in rows.filter(state="placing").iterator():
        if row.total is None:
            sagas.checkout(row, at="quote")
        else:
            # It may have reserved, and even have taken the goods, without having written it.
            sagas.checkout(row, at="reserve", doubted=True)
    for row in rows.filter(owing=True, state="rejected").iterator():
        sagas.checkout(row, at="reserve", state="compensating", back=True)
    for row in rows.filter(owing=True, state="cancelled").iterator():
        data = {"order": str(row.id), "customer": row.customer}
        sagas.create(row, "ordering.cancel", CANCEL, data, data, key=str(row.id), at="release")


class Sagas:
    """Writes sagas that are due now."""

    def __init__(self, apps: Any, using: str) -> None:
        self.sagas = apps.get_model("strangler", "Saga").objects.using(using)
        self.locks = apps.get_model("strangler", "SagaLock").objects.using(using)

    def checkout(self, row: Any, **standing: Any) -> None:
        """An order on its way."""
        lines = list(row.lines.order_by("position"))
        given = {
            "order": str(row.id),
            "customer": row.customer,
            "key": row.key,
            "lines": {line.sku: line.quantity for line in lines},
            "country": row.country,
            "coupon": row.coupon,
            "payment": None,
            "price": None,
        }
        data = {**given, "price": None if row.total is None else price(row, lines)}
        told = {"cause": row.cause, "reason": row.reason} if row.state == "rejected" else {}
        key = f"{len(row.customer)}:{row.customer}/{row.key}"
        self.create(row, "ordering.checkout", CHECKOUT, given, data, key=key, **standing, **told)

    def create(
        self,
        row: Any,
        name: str,
        steps: list[str],
        given: Any,
        data: Any,
        *,
        key: str,
        at: str,
        **standing: Any,
    ) -> None:
        """One that stands before this step."""
        now = time.time()
        self.sagas.create(
            id=row.id,
            name=name,
            key=key,
            given=json.dumps(given),
            data=json.dumps(data),
            steps=steps,
            at=steps.index(at),
            context=json.dumps({"user": {"id": row.customer, "roles": ["customer"]}}),
            started=row.placed_at.timestamp(),
            deadline=now + PATIENCE,
            due=now,
            changed=now,
            **standing,
        )
        self.locks.create(name=f"order:{row.id}", saga=row.id)


def price(row: Any, lines: list[Any]) -> dict[str, Any]:
    """What it was quoted at, with the digits that it was quoted with."""
    digits = Decimal(1).scaleb(-row.scale)

    def written(value: Decimal) -> str:
        value = value.normalize()
        exponent = min(int(value.as_tuple().exponent), int(digits.as_tuple().exponent))
        return f"{value.quantize(Decimal(1).scaleb(exponent)):f}"

    return {
        "currency": row.currency,
        **{name: written(getattr(row, name)) for name in AMOUNTS},
        "lines": [
            {
                "sku": line.sku,
                "unit_price": written(line.unit_price),
                "discount": written(line.discount),
                "total": written(line.total),
            }
            for line in lines
        ],
    }


class Migration(migrations.Migration):
    dependencies = [
        ("ordering", "0001_initial"),
        ("strangler", "0006_sagas"),
    ]

    operations = [
        migrations.RunPython(hand_over, migrations.RunPython.noop, elidable=True),
        migrations.RemoveIndex(model_name="order", name="ordering_placing"),
        migrations.RemoveIndex(model_name="order", name="ordering_owing"),
        migrations.RemoveField(model_name="order", name="attempt"),
        migrations.RemoveField(model_name="order", name="leased_until"),
        migrations.RemoveField(model_name="order", name="owing"),
        migrations.AddField(
            model_name="order",
            name="payment",
            field=models.CharField(blank=True, max_length=64, null=True),
        ),
    ]
