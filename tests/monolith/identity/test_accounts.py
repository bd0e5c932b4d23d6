from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from rest_framework.test import APIClient

from contracts.identity import Account, Role, UnknownUser
from monolith.identity.models import User
from monolith.identity.service import IdentityService
from tests.monolith.people import PASSWORD

pytestmark = pytest.mark.django_db
NEW = {"username": "Carla", "email": "Carla@Example.com", "password": PASSWORD}


def test_whoever_registers_is_a_customer(anybody: APIClient):
    response = anybody.post("/api/identity/register", NEW)

    assert response.status_code == 201
    assert response.json() == {
        "id": str(User.objects.get().pk),
        "username": "carla",
        "email": "carla@example.com",
        "roles": ["customer"],
    }
    assert PASSWORD not in User.objects.get().password


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"username": "CARLA", "email": "other@example.com"}, "UsernameTaken"),
        ({"username": "other"}, "EmailTaken"),
    ],
)
def test_a_name_or_address_that_is_taken_is_refused_in_any_case(
    anybody: APIClient, change: dict[str, Any], error: str
):
    anybody.post("/api/identity/register", NEW)
    response = anybody.post("/api/identity/register", {**NEW, **change})

    assert response.status_code == 409
    assert response.json()["error"] == error


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"password": "short"}, "$.password"),
        ({"password": "password123"}, "$.password"),
        ({"password": "0192837465"}, "$.password"),
        ({"username": "carla-the-great", "password": "carla-the-great"}, "$.password"),
        ({"password": "x" * 257}, "$.password"),
        ({"email": "nowhere"}, "$.email"),
        ({"username": "with space"}, "$.username"),
        ({"username": ""}, "$.username"),
        ({"username": "x" * 151}, "$.username"),
        ({"username": "nul\0"}, "$.username"),
        ({"username": ["list"]}, "$.username"),
    ],
)
def test_a_bad_registration_is_refused_with_the_place(
    anybody: APIClient, change: dict[str, Any], path: str
):
    response = anybody.post("/api/identity/register", {**NEW, **change})

    assert response.status_code == 400
    assert response.json()["error"] == "InvalidRequest"
    assert response.json()["detail"]["path"] == path
    assert not User.objects.exists()


def test_registering_is_throttled(anybody: APIClient, settings: Any):
    settings.IDENTITY = {**settings.IDENTITY, "REGISTRATIONS": 1}
    anybody.post("/api/identity/register", NEW)
    other = {**NEW, "username": "dora", "email": "dora@example.com"}

    assert anybody.post("/api/identity/register", other).status_code == 429


def test_me(customer: APIClient, staff: APIClient, anybody: APIClient):
    assert customer.get("/api/identity/me").json()["roles"] == ["customer"]
    assert staff.get("/api/identity/me").json()["roles"] == ["customer", "staff"]
    assert anybody.get("/api/identity/me").status_code == 401


def test_whoever_was_deactivated_has_no_account(customer: APIClient):
    User.objects.update(is_active=False)
    response = customer.get("/api/identity/me")

    assert response.status_code == 401
    assert response.json()["error"] == "NotAuthenticated"


def test_another_password_ends_all_sessions_but_the_new_one(
    user: Callable[..., User], client_of: Callable[[User], APIClient], anybody: APIClient
):
    ada = user("ada")
    login = {"username": "ada", "password": PASSWORD}
    before = anybody.post("/api/identity/token", login).json()
    response = client_of(ada).post(
        "/api/identity/password", {"current": PASSWORD, "new": "another-fig-entirely"}
    )

    assert response.status_code == 200
    for token, status in ((before["refresh"], 401), (response.json()["refresh"], 200)):
        again = anybody.post("/api/identity/token/refresh", {"refresh": token})
        assert again.status_code == status
    assert anybody.post("/api/identity/token", login).status_code == 401
    login["password"] = "another-fig-entirely"
    assert anybody.post("/api/identity/token", login).status_code == 200


def test_another_password_wants_the_present_one_and_a_good_new_one(
    customer: APIClient, settings: Any
):
    url = "/api/identity/password"
    wrong = customer.post(url, {"current": "wrong", "new": "another-fig-entirely"})
    weak = customer.post(url, {"current": PASSWORD, "new": "12345678"})

    assert (wrong.status_code, wrong.json()["error"]) == (401, "WrongPassword")
    assert weak.json()["detail"]["path"] == "$.new"
    for _ in range(settings.IDENTITY["LOGIN_FAILURES"]):
        last = customer.post(url, {"current": "wrong", "new": "another-fig-entirely"})
    assert last.status_code == 429


def test_the_port_knows_accounts(user: Callable[..., User]):
    ada = user("ada")
    service = IdentityService()

    assert service.account(str(ada.pk)) == Account(
        str(ada.pk), "ada", "ada@example.com", [Role.CUSTOMER]
    )
    for unknown in (str(uuid.uuid4()), "not an id", ""):
        with pytest.raises(UnknownUser):
            service.account(unknown)


def test_staff_log_in_to_the_admin_site_with_a_session(user: Callable[..., User], client: Client):
    user("bo", is_staff=True, is_superuser=True)

    assert client.get("/admin/").status_code == 302
    assert client.login(username="Bo", password=PASSWORD)
    for page in ("", "identity/user/", "identity/user/add/", "catalog/product/add/"):
        assert client.get(f"/admin/{page}").status_code == 200


def test_users_are_made_and_deactivated_in_the_admin_site(
    user: Callable[..., User], client: Client, anybody: APIClient
):
    admin = user("bo", is_staff=True, is_superuser=True)
    client.force_login(admin)
    form = {"username": "Carla", "email": "carla@example.com", "usable_password": "true"}
    form |= {"password1": PASSWORD, "password2": PASSWORD}
    assert client.post("/admin/identity/user/add/", form).status_code == 302
    carla = User.objects.get(username="carla")
    login = {"username": "carla", "password": PASSWORD}
    pair = anybody.post("/api/identity/token", login).json()

    change = {
        "username": "carla",
        "email": "carla@example.com",
        "date_joined_0": "2026-01-01",
        "date_joined_1": "00:00:00",
    }
    url = f"/admin/identity/user/{carla.pk}/change/"
    assert client.post(url, change).status_code == 302

    User.objects.filter(pk=carla.pk).update(is_active=True)
    again = anybody.post("/api/identity/token/refresh", {"refresh": pair["refresh"]})
    assert again.status_code == 401


def test_a_session_counts_at_the_api_and_wants_a_csrf_token_to_change_things(
    user: Callable[..., User],
):
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(user("bo", is_staff=True))

    assert client.get("/api/identity/me").status_code == 200
    response = client.post(
        "/api/identity/password", {"current": PASSWORD, "new": "another-fig-entirely"}
    )
    assert response.status_code == 403
    assert response.json()["error"] == "PermissionDenied"


def test_createsuperuser_works():
    call_command(
        "createsuperuser", username="Root", email="ROOT@example.com", interactive=False, verbosity=0
    )

    assert User.objects.get().username == "root"
    assert User.objects.get().email == "root@example.com"
