"""How rows map: every column of either side is accounted for, and nothing changes on the way."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import strategies as st

from contracts.inventory import ReservationState
from extracted.inventory.models import Base
from extracted.inventory.transfer import tables
from strangler.django.transfer.testing import model_tables
from strangler.manifest import load
from strangler.sqlalchemy.testing import metadata_tables
from strangler.transfer.mapping import by_table
from strangler.transfer.testing import check_maps
from tests.strangler.fastapi.running import ROOT

MAPS = by_table(tables)


@pytest.mark.hypothesis
def test_nothing_is_lost_on_the_way():
    # What the service writes is less than its columns' types would take.
    written = {
        "reservation.state": st.sampled_from([state.value for state in ReservationState]),
        "warehouse.rank": st.integers(0, 2**15 - 1),
    }
    check_maps(
        tables,
        monolith=model_tables("inventory"),
        service=metadata_tables(Base.metadata, written),
    )


def test_the_manifest_names_the_maps():
    manifest = load(ROOT / "router" / "capabilities.toml")
    assert manifest.capabilities["inventory"].transfer == "extracted.inventory.transfer:tables"
    assert MAPS["inventory_reservation"] is MAPS["reservation"]


def test_the_mover_needs_nothing_of_the_service():
    code = "import sys, extracted.inventory.transfer as t; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert not {"django", "fastapi", "sqlalchemy"} & set(done.stdout.split())
