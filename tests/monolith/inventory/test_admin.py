"""The admin shows stock, and changes none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from contracts.inventory import Item
from monolith.inventory import models
from monolith.inventory.service import InventoryService

pytestmark = pytest.mark.django_db


def test_stock_is_there_to_look_at(stock: Callable[..., None], user: Callable[..., Any]):
    stock("A", near=3)
    order = uuid4()
    InventoryService().reserve(order, [Item("A", 1)])
    client = Client()
    client.force_login(user("root", is_staff=True, is_superuser=True))

    for path in ("stock", "movement", "reservation", "warehouse"):
        assert client.get(f"/admin/inventory/{path}/").status_code == 200
    assert client.get(f"/admin/inventory/reservation/{order}/change/").status_code == 200
    for path in ("stock/add", f"stock/{models.Stock.objects.get().pk}/delete", "movement/add"):
        assert client.get(f"/admin/inventory/{path}/").status_code == 403
