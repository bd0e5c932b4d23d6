"""The servers that other tests stand on."""

from __future__ import annotations

import os
from pathlib import Path

import psycopg
import pytest
import redis

from tests.servers import Postgres, Redis, ServerMissingError, current_nginx, nginx_version


def test_each_test_has_a_postgresql_database_of_its_own(postgres: Postgres, postgres_url: str):
    other = postgres.create()
    with psycopg.connect(postgres_url) as connection:
        connection.execute("CREATE TABLE mine (id int)")
    with psycopg.connect(other) as connection:
        found = connection.execute("SELECT to_regclass('mine')").fetchone()
    assert found == (None,)
    postgres.drop(other)
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(other)


@pytest.mark.parametrize("attempt", [1, 2])
def test_each_test_has_an_empty_redis(redis_url: str, attempt: int):
    with redis.Redis.from_url(redis_url) as client:
        assert client.incr("count") == 1


@pytest.mark.parametrize("kind", [Postgres, Redis])
def test_a_server_is_gone_after_a_failure(kind: type[Postgres | Redis]):
    with pytest.raises(ZeroDivisionError), kind() as server:  # noqa: PT012  # the server runs within
        pid = server.pid
        assert server.answers()
        raise ZeroDivisionError
    assert not server.folder.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.parametrize(("kind", "package"), [(Postgres, "postgresql"), (Redis, "redis-server")])
def test_a_missing_server_is_named_with_its_package(
    kind: type[Postgres | Redis], package: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr("demo.servers.DEBIAN_POSTGRES", tmp_path)
    with pytest.raises(ServerMissingError, match=f"get Debian's `{package}`"), kind():
        pass


def test_each_nginx_says_which_it_is(nginx: str):
    assert nginx_version(nginx) >= (1, 22)


def test_a_missing_current_nginx_is_named_with_what_gets_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tests.servers.CURRENT", Path("/nowhere"))
    with pytest.raises(ServerMissingError, match=r"run requirements/nginx-current\.sh"):
        current_nginx()
