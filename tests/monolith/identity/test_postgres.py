"""A refresh token under concurrency, on a real PostgreSQL."""

from __future__ import annotations

import threading

import pytest
from django.db import connection

from monolith.identity import sessions
from monolith.identity.models import RefreshToken, User
from tests.monolith.people import PASSWORD


@pytest.mark.postgres
def test_a_refresh_token_used_by_many_at_once_buys_one_pair_and_ends_the_session(on_postgres: None):
    user = User.objects.create_user("ada", "ada@example.com", PASSWORD)
    pair = sessions.begin(user)
    outcomes: list[str] = []
    gate = threading.Barrier(6)

    def use() -> None:
        gate.wait()
        try:
            sessions.renew(pair.refresh)
        except sessions.InvalidRefreshToken:
            outcomes.append("refused")
        else:
            outcomes.append("renewed")
        finally:
            connection.close()

    threads = [threading.Thread(target=use) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(outcomes) == ["refused"] * 5 + ["renewed"]
    assert not RefreshToken.objects.filter(revoked_at=None).exists()
