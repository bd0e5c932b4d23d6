"""A freeze is over before anybody who waits for a command gives up."""

from __future__ import annotations

import pytest

from strangler.django import conf
from strangler.django.transfer.budget import SHARE, budget
from strangler.ports.declare import methods
from strangler.transfer.switch import BUDGET


@pytest.mark.parametrize("name", ["catalog", "inventory"])
def test_it_is_less_than_the_shortest_command_waits(name: str):
    capability = conf.manifest().capabilities[name]
    from strangler.django import contracts

    commands = [m for m in methods(contracts.port(capability)).values() if m.kind == "command"]
    assert commands
    assert budget(capability) == SHARE * min(m.timeout for m in commands) < BUDGET
