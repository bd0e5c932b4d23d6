"""SQLite files of a test's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from strangler.ladder import Arm
from tests.strangler.transfer.sqlite.files import File, Open, opened


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Open]:
    """Makes a file with these tables, installed and captured."""
    with ExitStack() as stack:

        def made(schema: str, *tables: str, arm: Arm = Arm.MONOLITH) -> File:
            path = tmp_path / "file.sqlite3"
            file = stack.enter_context(opened(path, schema, *tables, arm=arm))
            file.install()
            return file

        yield made
