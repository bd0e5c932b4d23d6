from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from monolith.identity.models import RefreshToken, User
from monolith.identity.tasks import purge_refresh_tokens
from tests.monolith.people import PASSWORD

pytestmark = pytest.mark.django_db


def log_in(username: str = "ada", password: str = PASSWORD) -> Any:
    body = {"username": username, "password": password}
    return APIClient().post("/api/identity/token", body)


def refresh(token: str) -> Any:
    return APIClient().post("/api/identity/token/refresh", {"refresh": token})


@pytest.fixture
def pair(user: Callable[..., User]) -> dict[str, Any]:
    user("ada")
    return log_in().json()


def test_logging_in_gives_a_pair(user: Callable[..., User]):
    user("ada")
    response = log_in()

    assert response.status_code == 200
    assert set(response.json()) == {"access", "refresh", "token_type", "expires_in"}
    assert response.json()["token_type"] == "Bearer"
    assert response.json()["expires_in"] == 300


def test_a_name_is_the_same_in_any_case(user: Callable[..., User]):
    user("ada")

    assert log_in("ADA").status_code == 200


@pytest.mark.parametrize(
    ("username", "password"), [("ada", "wrong"), ("nobody", PASSWORD), ("gone", PASSWORD)]
)
def test_what_does_not_fit_is_refused_alike(
    user: Callable[..., User], username: str, password: str
):
    user("ada")
    user("gone", is_active=False)
    response = log_in(username, password)

    assert response.status_code == 401
    assert response.json() == {
        "error": "WrongPassword",
        "message": "Name and password do not fit.",
        "detail": {},
    }


def test_a_refresh_token_buys_the_next_pair(pair: dict[str, Any]):
    response = refresh(pair["refresh"])

    assert response.status_code == 200
    assert response.json()["refresh"] != pair["refresh"]
    me = APIClient().get(
        "/api/identity/me", headers={"authorization": f"Bearer {response.json()['access']}"}
    )
    assert me.json()["username"] == "ada"


def test_a_refresh_token_that_comes_again_ends_the_session_for_both(pair: dict[str, Any]):
    second = refresh(pair["refresh"]).json()

    stolen = refresh(pair["refresh"])
    assert stolen.status_code == 401
    assert stolen.json()["error"] == "InvalidRefreshToken"
    assert refresh(second["refresh"]).status_code == 401


def test_another_session_goes_on(pair: dict[str, Any]):
    other = log_in().json()
    refresh(pair["refresh"])
    refresh(pair["refresh"])

    assert refresh(other["refresh"]).status_code == 200


def test_an_expired_refresh_token_is_refused(pair: dict[str, Any]):
    RefreshToken.objects.update(expires_at=timezone.now())

    assert refresh(pair["refresh"]).status_code == 401


def test_whoever_was_deactivated_gets_no_next_pair(
    pair: dict[str, Any], django_user_model: type[User]
):
    django_user_model.objects.update(is_active=False)

    assert refresh(pair["refresh"]).status_code == 401


def test_logging_out_ends_the_session_and_may_be_said_twice(
    pair: dict[str, Any], anybody: APIClient
):
    for _ in range(2):
        response = anybody.post("/api/identity/logout", {"refresh": pair["refresh"]})
        assert response.status_code == 204

    assert refresh(pair["refresh"]).status_code == 401


def test_tokens_are_stored_as_digests(pair: dict[str, Any]):
    stored = RefreshToken.objects.values_list("digest", flat=True).get()

    assert len(stored) == 64
    assert stored != pair["refresh"]


def test_expired_tokens_are_forgotten(pair: dict[str, Any]):
    log_in()
    RefreshToken.objects.filter(user__username="ada").update(expires_at=timezone.now())
    kept = log_in().json()
    RefreshToken.objects.filter(revoked_at=None).latest("created_at")

    assert purge_refresh_tokens() == 2
    assert refresh(kept["refresh"]).status_code == 200


def test_guessing_passwords_is_throttled_and_says_for_how_long(
    user: Callable[..., User], settings: Any, monkeypatch: pytest.MonkeyPatch
):
    user("ada")
    user("bo")
    monkeypatch.setattr("monolith.identity.throttling.time.time", lambda: 1_000_000_020.0)
    for _ in range(settings.IDENTITY["LOGIN_FAILURES"]):
        assert log_in(password="wrong").status_code == 401

    response = log_in()

    assert response.status_code == 429
    assert response.json()["error"] == "Throttled"
    assert response.json()["detail"]["retry_after"] == int(response["Retry-After"])
    assert 0 < int(response["Retry-After"]) <= 60
    assert log_in("ADA").status_code == 429
    assert log_in("bo").status_code == 200

    monkeypatch.setattr("monolith.identity.throttling.time.time", lambda: 1_000_000_080.0)
    assert log_in().status_code == 200


def test_the_admin_s_door_counts_as_the_api_s(
    user: Callable[..., User], settings: Any, monkeypatch: pytest.MonkeyPatch
):
    def enter(password: str = PASSWORD) -> Any:
        body = {"username": "ada", "password": password}
        return Client().post("/admin/login/?next=/admin/", body)

    user("ada", is_staff=True)
    monkeypatch.setattr("monolith.identity.throttling.time.time", lambda: 1_000_000_020.0)
    settings.IDENTITY = {**settings.IDENTITY, "LOGIN_FAILURES": 4}
    assert [enter().status_code for _ in range(6)] == [302] * 6
    for _ in range(2):
        assert "Too many attempts" not in enter("wrong").content.decode()
        assert log_in(password="wrong").status_code == 401

    refused = enter()

    assert refused.status_code == 200
    assert "Too many attempts: try again in 60 seconds." in refused.content.decode()
    assert "sessionid" not in refused.cookies
    assert log_in().status_code == 429

    monkeypatch.setattr("monolith.identity.throttling.time.time", lambda: 1_000_000_080.0)
    assert enter().status_code == 302


def test_guessing_at_many_names_is_throttled_too(
    user: Callable[..., User], settings: Any, monkeypatch: pytest.MonkeyPatch
):
    user("ada")
    monkeypatch.setattr("monolith.identity.throttling.time.time", lambda: 1_000_000_020.0)
    settings.IDENTITY = {**settings.IDENTITY, "LOGIN_FAILURES": 1}
    for number in range(10):
        assert log_in(f"name-{number}").status_code == 401

    assert log_in().status_code == 429


def test_who_knows_the_password_is_never_throttled(user: Callable[..., User], settings: Any):
    user("ada")
    settings.IDENTITY = {**settings.IDENTITY, "LOGIN_FAILURES": 1}

    assert [log_in().status_code for _ in range(5)] == [200] * 5


def test_a_forwarded_address_is_not_believed_without_a_proxy(
    user: Callable[..., User], settings: Any
):
    user("ada")
    settings.IDENTITY = {**settings.IDENTITY, "LOGIN_FAILURES": 1}
    body = {"username": "ada", "password": "wrong"}
    answers = [
        APIClient().post(
            "/api/identity/token", body, headers={"x-forwarded-for": f"10.0.0.{number}"}
        )
        for number in range(3)
    ]

    assert [answer.status_code for answer in answers] == [401, 429, 429]


def test_many_refreshes_cost_few_queries(pair: dict[str, Any], django_assert_max_num_queries: Any):
    with django_assert_max_num_queries(5):
        assert refresh(pair["refresh"]).status_code == 200


def test_purging_leaves_fresh_ones(pair: dict[str, Any]):
    assert RefreshToken.objects.get().expires_at > timezone.now() + timedelta(days=29)
    assert purge_refresh_tokens() == 0
