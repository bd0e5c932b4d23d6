"""The settings as separate processes see them, each with an environment of its own."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from pathlib import Path

import pytest
from django.core.management import call_command

from strangler.ports.trust.keys import generate
from tests.strangler.django.forking import forked

ROOT = Path(__file__).parents[3]
PRODUCTION = {
    "DEBUG": "false",
    "SECRET_KEY": "0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "ALLOWED_HOSTS": "shop.example, www.shop.example",
}


def run(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    known = {"PATH": os.environ["PATH"], "DJANGO_SETTINGS_MODULE": "monolith.config.settings"}
    program, *arguments = command
    if program == "-c":
        code, *arguments = arguments
    else:
        code = f"import runpy; runpy.run_path({program!r}, run_name='__main__')"
    return forked(code, *arguments, cwd=ROOT, env={**known, **environment})


def read(*names: str, **environment: str) -> dict[str, object]:
    """These settings, as a process in that environment has them."""
    code = (
        "import json, sys; from django.conf import settings; "
        "print(json.dumps({name: getattr(settings, name) for name in sys.argv[1:]}, default=str))"
    )
    done = run("-c", code, *names, **environment)
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_production_names_everything_that_is_missing_at_once(tmp_path: Path):
    done = run("-c", "import monolith.config.wsgi", VAR=str(tmp_path))

    assert done.returncode == 1
    last = done.stderr[done.stderr.index("ImproperlyConfigured") :]
    assert "DEBUG is off" in last
    for name in ("SECRET_KEY", "ALLOWED_HOSTS", "IDENTITY_KEYS"):
        assert f"- {name}: " in last
    assert "DEBUG=true" in last
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("missing", ["SECRET_KEY", "ALLOWED_HOSTS", "IDENTITY_KEYS"])
def test_production_wants_each(tmp_path: Path, missing: str):
    environment = {**PRODUCTION, "IDENTITY_KEYS": "keys.json", "VAR": str(tmp_path)}
    done = run("manage.py", "check", **{**environment, missing: " "})

    assert done.returncode == 1
    assert f"- {missing}: " in done.stderr


@pytest.mark.parametrize(
    "url", ["nonsense", "mysqlx://shop:secret@db/shop", "postgres://shop:secret@db:port/shop"]
)
def test_a_database_url_that_is_none(tmp_path: Path, url: str):
    done = run("manage.py", "check", DATABASE_URL=url, VAR=str(tmp_path))

    assert done.returncode == 1
    last = done.stderr[done.stderr.rindex("ImproperlyConfigured") :]
    assert "DATABASE_URL names no database: it is a URL such as postgres://" in last
    assert "secret" not in last


def test_production_is_what_deploying_wants(tmp_path: Path):
    environment = {**PRODUCTION, "IDENTITY_KEYS": str(tmp_path / "k.json"), "VAR": str(tmp_path)}
    assert run("manage.py", "rotate_keys", **environment).returncode == 0
    generate(tmp_path / "keys", "monolith")

    check = ("manage.py", "check", "--deploy", "--fail-level", "WARNING")
    done = run(*check, **environment)

    assert done.returncode == 1
    assert "3 issues (0 silenced)" in done.stderr
    assert "Set REDIS_URL" in done.stderr
    assert "Set PAYMENTS_PROVIDER_URL" in done.stderr
    assert "Set EMAIL_URL" in done.stderr
    environment["REDIS_URL"] = "redis://127.0.0.1:1/0"
    environment["PAYMENTS_PROVIDER_URL"] = "https://payments.example"
    environment["EMAIL_URL"] = "smtp+tls://shop:secret@mail.example:587"
    done = run(*check, **environment)
    assert done.returncode == 0, done.stderr
    assert "no issues (0 silenced)" in done.stdout
    found = read("ALLOWED_HOSTS", "SECURE_SSL_REDIRECT", "CELERY_TASK_ALWAYS_EAGER", **environment)
    assert found["ALLOWED_HOSTS"] == ["shop.example", "www.shop.example"]
    assert found["SECURE_SSL_REDIRECT"] is True


def test_logs_are_json_in_production(tmp_path: Path):
    environment = {**PRODUCTION, "IDENTITY_KEYS": "k.json", "VAR": str(tmp_path)}
    code = (
        "import django, logging, structlog; django.setup(); "
        "logging.getLogger('shop').warning('a %s', 'b', extra={'order': 7, 'request': object()}); "
        "structlog.get_logger('shop').info('sold', sku='HOE-1'); "
        "logging.getLogger('shop').exception('bad', exc_info=ValueError('why')); "
        "from strangler.ports.context import Context, Trace, use; "
        "within = use(Context(trace=Trace('a' * 32, 'b' * 16))); within.__enter__(); "
        "logging.getLogger('shop').warning('traced')"
    )
    done = run("-c", code, **environment)

    assert done.returncode == 0, done.stderr
    first, second, third, fourth = map(json.loads, done.stderr.strip().splitlines())
    assert (first["event"], first["level"], first["order"]) == ("a b", "warning", 7)
    assert "request" not in first
    assert (second["event"], second["sku"], second["logger"]) == ("sold", "HOE-1", "shop")
    assert third["exception"][0]["exc_value"] == "why"
    assert (fourth["trace"], fourth["span"]) == ("a" * 32, "b" * 16)


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_traceback_in_the_log_shows_no_variables(tmp_path: Path, form: str):
    environment = {**PRODUCTION, "IDENTITY_KEYS": "k.json", "VAR": str(tmp_path)}
    code = (
        "import sys, django; django.setup(); "
        "from django.test import Client; from monolith.identity import service; "
        "client = Client(raise_request_exception=False, headers={'host': 'shop.example'}); "
        "body = {'username': 'ada', 'password': sys.argv[1]}; "
        "answer = client.post('/api/identity/token', body, 'application/json', secure=True); "
        "assert answer.status_code == 500, answer.content"
    )
    # There are no tables: looking for the user is the fault.
    done = run("-c", code, "only-in-" + "the-film", **environment, LOG_FORMAT=form)

    assert done.returncode == 0, done.stderr
    assert "no such table" in done.stderr
    assert "only-in-" not in done.stderr
    assert '"locals"' not in done.stderr


def test_development_needs_no_environment_at_all(tmp_path: Path):
    first = read("SECRET_KEY", "DEBUG", "ALLOWED_HOSTS", "DATABASES", VAR=str(tmp_path / "new"))
    second = read("SECRET_KEY", VAR=str(tmp_path / "new"))

    assert first["DEBUG"] is True
    assert first["SECRET_KEY"] == second["SECRET_KEY"]
    assert len(str(first["SECRET_KEY"])) > 50
    assert stat.S_IMODE((tmp_path / "new" / "secret_key").stat().st_mode) == 0o600
    assert "*" not in str(first["ALLOWED_HOSTS"])
    other = read("SECRET_KEY", VAR=str(tmp_path / "other"))
    assert other["SECRET_KEY"] != first["SECRET_KEY"]


def test_sqlite_unless_another_database_is_named(tmp_path: Path):
    embedded = read("DATABASES", "EMBEDDED", VAR=str(tmp_path))
    database = embedded["DATABASES"]["default"]  # type: ignore[index]
    assert embedded["EMBEDDED"] is True
    assert database["NAME"] == str(tmp_path / "monolith.sqlite3")
    assert database["OPTIONS"]["transaction_mode"] == "IMMEDIATE"

    url = "postgresql://shop:secret@db:5433/shop"
    named = read("DATABASES", "EMBEDDED", VAR=str(tmp_path), DATABASE_URL=url)
    database = named["DATABASES"]["default"]  # type: ignore[index]
    assert named["EMBEDDED"] is False
    assert (database["HOST"], database["PORT"], database["CONN_HEALTH_CHECKS"]) == (
        "db",
        5433,
        True,
    )


def test_redis_carries_cache_and_jobs_where_there_is_one(tmp_path: Path):
    names = ("CACHES", "CELERY_BROKER_URL", "CELERY_TASK_ALWAYS_EAGER")
    without = read(*names, VAR=str(tmp_path))
    assert without["CELERY_TASK_ALWAYS_EAGER"] is True
    assert "locmem" in str(without["CACHES"])

    url = "redis://127.0.0.1:6399/0"
    with_redis = read(*names, VAR=str(tmp_path), REDIS_URL=url)
    assert with_redis["CELERY_TASK_ALWAYS_EAGER"] is False
    assert with_redis["CELERY_BROKER_URL"] == url
    assert url in str(with_redis["CACHES"])


@pytest.mark.django_db
def test_no_migration_is_missing():
    call_command("makemigrations", check_changes=True, dry_run=True)
