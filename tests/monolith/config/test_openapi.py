from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from drf_spectacular.generators import SchemaGenerator
from rest_framework.test import APIClient


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    document: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)
    return document


def operations(schema: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{method.upper()} {path}", operation)
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
    ]


def test_the_schema_is_complete_and_valid(tmp_path: Path):
    file = tmp_path / "schema.yaml"
    call_command("spectacular", validate=True, fail_on_warn=True, file=str(file))

    assert "openapi: 3" in file.read_text()


@pytest.mark.django_db
def test_anybody_may_read_it(anybody: APIClient):
    response = anybody.get("/api/schema/?format=json")

    assert response.status_code == 200
    assert "/api/catalog/products/" in response.json()["paths"]


def test_every_operation_has_a_name_an_explanation_and_its_context(schema: dict[str, Any]):
    names = [operation["operationId"] for _, operation in operations(schema)]

    assert len(names) == len(set(names))
    for name, operation in operations(schema):
        assert operation.get("description") or operation.get("summary"), name
        assert operation["tags"] == [name.split("/")[2]], name


def test_every_operation_says_how_its_errors_look(schema: dict[str, Any]):
    for name, operation in operations(schema):
        assert any(not status.startswith("2") for status in operation["responses"]), name


def test_what_needs_a_token_says_so(schema: dict[str, Any]):
    paths = schema["paths"]

    assert {"accessToken": []} in paths["/api/identity/me"]["get"]["security"]
    assert {} not in paths["/api/identity/me"]["get"]["security"]
    assert paths["/api/identity/token"]["post"].get("security", [{}]) == [{}]
