"""How rows map: every column of either side is accounted for, and nothing changes on the way."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import strategies as st

from extracted.notifications.models import Base
from extracted.notifications.transfer import tables
from strangler.django.transfer.testing import model_tables
from strangler.manifest import load
from strangler.sqlalchemy.testing import metadata_tables
from strangler.transfer.mapping import by_table
from strangler.transfer.testing import check_maps
from tests.strangler.fastapi.running import ROOT

MAPS = by_table(tables)


@pytest.mark.hypothesis
def test_nothing_is_lost_on_the_way():
    # The service's table refuses less than none, and its type does not say so.
    written = {"notification.attempts": st.integers(0, 2**31 - 1)}
    check_maps(
        tables,
        monolith=model_tables("notifications"),
        service=metadata_tables(Base.metadata, written),
    )


def test_the_manifest_names_the_maps():
    manifest = load(ROOT / "router" / "capabilities.toml")
    assert (
        manifest.capabilities["notifications"].transfer == "extracted.notifications.transfer:tables"
    )
    assert MAPS["notifications_inbox"] is MAPS["inbox"]


def test_the_mover_needs_nothing_of_the_service():
    code = "import sys, extracted.notifications.transfer as t; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert not {"django", "fastapi", "sqlalchemy"} & set(done.stdout.split())
