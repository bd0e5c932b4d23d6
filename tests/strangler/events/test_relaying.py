"""What carries the events of one database is put together, or says what is missing."""

from __future__ import annotations

import pytest

from strangler.events.buses import BadBus
from strangler.events.relaying import Relaying


def test_the_http_bus_without_a_manifest_would_tell_nobody():
    """And what nobody is told would be deleted as told."""
    with pytest.raises(BadBus, match="--manifest"):
        Relaying("sqlite:///nowhere.sqlite3", bus="http")
