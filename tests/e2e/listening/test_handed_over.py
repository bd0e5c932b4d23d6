"""Who listens is handed over by position: see ``story``; here by HTTP, between two files."""

from __future__ import annotations

from tests.e2e.listening.conftest import Open
from tests.e2e.listening.story import there_and_back_again


def test_by_http_from_file_to_file(on_sqlite: Open) -> None:
    with on_sqlite(rate=5) as stand:
        there_and_back_again(stand)
