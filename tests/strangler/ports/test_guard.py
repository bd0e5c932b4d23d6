from __future__ import annotations

from decimal import Decimal

import pytest

from strangler.ladder import Arm
from strangler.ports import runtime
from strangler.ports.bind import bind
from strangler.ports.declare import Method
from strangler.ports.guard import CallInTransaction
from strangler.ports.testing import placed
from strangler.routing.decide import Decision, Reason
from tests.strangler.ports.sample import Shelf, Shop, Thing

pytestmark = pytest.mark.usefixtures("wired")

shop = bind(Shop)


class Transaction:
    """Stands for a database's side: a transaction is open, or not."""

    def __init__(self) -> None:
        self.open = False

    def __call__(self, method: Method) -> None:
        if self.open:
            raise CallInTransaction(method, "default")


@pytest.fixture
def transaction(wired: None) -> Transaction:
    transaction = Transaction()
    runtime.configure(
        guard=transaction,
        place=lambda _call: Decision(Arm.MONOLITH, Reason.OUTSIDE),
        urls=lambda _capability, _arm: ("http://127.0.0.1:1",),
    )
    return transaction


@pytest.mark.parametrize("where", ["local", "loopback", "remote", "auto"])
def test_a_call_in_a_transaction_is_found_wherever_it_is_placed(
    transaction: Transaction, where: runtime.Placement
):
    shelf = Shelf()
    runtime.register(Shop, shelf)
    transaction.open = True
    with placed(where):
        for method in (shop.look, shop.sell):
            with pytest.raises(CallInTransaction, match=r"open transaction on 'default'"):
                method("spade")
    assert shelf.asked == []


def test_outside_of_a_transaction_calls_pass(transaction: Transaction):
    runtime.register(Shop, Shelf())
    assert shop.look("spade") == Thing("spade", Decimal("9.99"))


def test_what_an_implementation_calls_in_turn_is_looked_at_too(transaction: Transaction):
    class Supplied(Shelf):
        def sell(self, name: str) -> Thing:
            transaction.open = True
            return shop.look(name)

    runtime.register(Shop, Supplied())
    with placed("local"), pytest.raises(CallInTransaction, match=r"shop\.look"):
        shop.sell("spade")
