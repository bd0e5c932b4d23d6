"""The manifest: what it says is understood, wherever it is read from."""

from __future__ import annotations

from pathlib import Path

import pytest

from strangler.manifest import (
    Breaker,
    Capability,
    Edge,
    Gateway,
    ManifestErrors,
    Resilience,
    Rollout,
    Shadow,
    load,
    parse,
)
from tests.strangler.manifest.writing import FILE, edge, problems


def test_without_an_edge_there_is_no_manifest():
    (problem,) = problems("")
    assert problem.key == "edge.monolith"


@pytest.mark.parametrize(
    ("text", "where", "found"),
    [
        ("[edge\n", "line 1, column 6", "Expected ']'"),
        ("[edge]\na = 1\na = 2\n", "line 3, column 6", "Cannot overwrite a value"),
        ("a = 'x", "end of document", "Expected"),
        ("[edge]\n[edge]\n", "line 2, column 6", "Cannot declare"),
    ],
)
def test_what_is_no_toml_is_said_with_its_line(text: str, where: str, found: str):
    (problem,) = problems(text)
    assert problem.key == where
    assert found.lower() in problem.found.lower()
    assert str(problem).startswith(f"{FILE}: {where}: this is no TOML: ")


def test_a_file_that_is_not_there_is_the_same_kind_of_error(tmp_path: Path):
    for path, found in [
        (tmp_path / "capabilities.toml", "no such file or directory"),
        (tmp_path, "is a directory"),
    ]:
        with pytest.raises(ManifestErrors) as refused:
            load(path, {})
        (problem,) = refused.value.problems
        assert problem.file == str(path)
        assert problem.found == found


def test_a_file_that_is_no_utf_8_is_the_same_kind_of_error(tmp_path: Path):
    path = tmp_path / "capabilities.toml"
    path.write_bytes("[edge] # caf\u00e9".encode("latin-1"))
    with pytest.raises(ManifestErrors, match="byte 12 is no UTF-8; save the file as UTF-8"):
        load(path, {})


def test_a_byte_order_mark_does_no_harm(tmp_path: Path):
    path = tmp_path / "capabilities.toml"
    path.write_text(edge({}), encoding="utf-8-sig")
    assert load(path, {}).edge.monolith == "http://127.0.0.1:8000"


WHOLE = """
[edge]
monolith = "https://shop.example/"
sticky = ["header:X-Tenant", "address"]
credentials = ["Remote-User"]
header = "16k"
site = "https://shop.example"
hsts = "1h"

[capability.catalog]
context = "monolith.catalog"
owner = "team-catalog"
contract = "contracts.catalog:Catalog"
service = ["http://[::1]:8101", "http://catalog"]
routes = ["/api/catalog/", "/*/catalogue/"]
queries = ["POST /api/catalog/search", "PUT /*/catalogue/seen/"]
callers = ["pricing", "monolith"]
transfer = "extracted.catalog.transfer:tables"
placement = "remote"
group = "shelf"

[capability.catalog.resilience]
timeout = "1.5s"
attempts = 1
breaker = { failures = 2, reset = "1m" }
concurrency = 4

[capability.catalog.shadow]
sample = 1
ignore = ["$.served_at"]
unordered = ["$"]
redact = ["$[*].name"]
min_comparisons = 10
min_per_route = 2

[capability.catalog.rollout]
steps = [10, 100]
min_requests = 1
soak = "500ms"

[capability.catalog.gateway]
rate = "90/m"
rate_by = "address"
burst = 5
origins = ["https://shop.example"]
body = "2000"
key = "X-Shop-Key"
slash = true

[capability.pricing]
context = "monolith.pricing"
owner = "team-pricing"
contract = "contracts.pricing:Pricing"
service = ["http://127.0.0.1:8102"]
routes = ["/api/catalog/prices/"]
group = "till"

[capability.stock]
context = "monolith.stock"
owner = "team-stock"
contract = "contracts.stock:Stock"
service = ["http://127.0.0.1:8103"]
routes = ["/api/stock/"]
group = "till"
"""


def test_everything_that_can_be_said_is_understood():
    manifest = parse(WHOLE, path=FILE, environ={})
    assert manifest.path == FILE
    assert manifest.edge == Edge(
        "https://shop.example",
        ("header:X-Tenant", "address"),
        ("Remote-User",),
        16384,
        "https://shop.example",
        3600.0,
    )
    assert list(manifest.capabilities) == ["catalog", "pricing", "stock"]
    assert manifest.capabilities["catalog"] == Capability(
        name="catalog",
        context="monolith.catalog",
        owner="team-catalog",
        contract="contracts.catalog:Catalog",
        service=("http://[::1]:8101", "http://catalog"),
        routes=("/api/catalog/", "/*/catalogue/"),
        queries=(("POST", "/api/catalog/search"), ("PUT", "/*/catalogue/seen/")),
        callers=("pricing", "monolith"),
        transfer="extracted.catalog.transfer:tables",
        placement="remote",
        group="shelf",
        resilience=Resilience(1.5, 1, Breaker(2, 60.0), 4),
        shadow=Shadow(1.0, ("$.served_at",), ("$",), ("$[*].name",), 10, 2),
        rollout=Rollout((10, 100), 1, 0.5),
        gateway=Gateway(
            1.5, "address", 5, ("https://shop.example",), 2000, "X-Shop-Key", slash=True
        ),
    )


def test_what_is_not_said_is_as_the_design_has_it():
    pricing = parse(WHOLE, path=FILE, environ={}).capabilities["pricing"]
    assert pricing.placement == "auto"
    assert pricing.transfer is None
    assert pricing.queries == pricing.callers == ()
    assert pricing.resilience == Resilience(2.0, 3, Breaker(5, 30.0), 20)
    assert pricing.shadow == Shadow(0.25, (), (), (), 3000, 30)
    assert pricing.rollout.steps == (1, 5, 25, 50)
    assert pricing.rollout.min_requests == 500
    assert pricing.gateway == Gateway(None, "client", 20, (), 1024 * 1024, None, None, slash=False)


def test_capabilities_of_one_group_share_their_clients():
    manifest = parse(WHOLE, path=FILE, environ={})
    assert manifest.groups == {"catalog": "shelf", "pricing": "till", "stock": "till"}
    assert manifest.together("stock") == ("pricing", "stock")
    assert manifest.together("catalog") == ("catalog",)
    assert [one.salt for one in manifest.capabilities.values()] == ["shelf", "till", "till"]


def test_the_environment_outranks_the_file():
    manifest = parse(
        WHOLE,
        path=FILE,
        environ={
            "STRANGLER_MONOLITH_URL": "http://10.0.0.1/",
            "STRANGLER_CATALOG_URL": "http://10.0.0.2:1, http://10.0.0.3:1",
            "STRANGLER_PRICING_URL": "",
            "STRANGLER_NOBODY_URL": "nonsense",
        },
    )
    assert manifest.edge.monolith == "http://10.0.0.1"
    assert manifest.capabilities["catalog"].service == ("http://10.0.0.2:1", "http://10.0.0.3:1")
    assert manifest.capabilities["pricing"].service == ("http://127.0.0.1:8102",)


@pytest.mark.parametrize(
    ("name", "value", "key", "found"),
    [
        ("STRANGLER_CATALOG_URL", "http://a, b", "STRANGLER_CATALOG_URL[1]", "'b' has no scheme"),
        ("STRANGLER_CATALOG_URL", "http://a,", "STRANGLER_CATALOG_URL[1]", "it is empty"),
        ("STRANGLER_MONOLITH_URL", "x", "STRANGLER_MONOLITH_URL[0]", "'x' has no scheme"),
        ("STRANGLER_MONOLITH_URL", "http://a,http://b", "STRANGLER_MONOLITH_URL", "one monolith"),
    ],
)
def test_a_mistake_in_the_environment_is_said(name: str, value: str, key: str, found: str):
    (problem,) = problems(WHOLE, {name: value})
    assert (problem.file, problem.key) == ("environment", key)
    assert found in problem.found
    assert problem.remedy


def test_the_reference_system_s_own_manifest_is_right():
    manifest = load(Path(__file__).parents[3] / "router" / "capabilities.toml", {})
    assert {"catalog", "pricing", "inventory", "ordering", "identity"} <= set(manifest.capabilities)


def test_nothing_of_a_manifest_can_be_changed_afterwards():
    manifest = parse(WHOLE, path=FILE, environ={})
    with pytest.raises(TypeError):
        manifest.capabilities["more"] = manifest.capabilities["catalog"]  # type: ignore[index]  # what is tested
