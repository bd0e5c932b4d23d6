from __future__ import annotations

from pathlib import Path
from urllib.parse import quote, unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from strangler.manifest import Capability, Edge, Manifest
from strangler.routing.decide import Kind
from strangler.routing.paths import Match, OddPath, RouteMap, canonical


def routing(
    queries: dict[str, list[tuple[str, str]]] | None = None, **routes: list[str]
) -> RouteMap:
    capabilities = {
        name: Capability(
            name=name,
            context=name,
            owner="team",
            contract=f"contracts.{name}:Port",
            service=("http://127.0.0.1:1",),
            routes=tuple(texts),
            queries=tuple((queries or {}).get(name, ())),
        )
        for name, texts in routes.items()
    }
    return RouteMap(Manifest(Path("capabilities.toml"), Edge("http://a"), capabilities))


SHOP = routing(
    {"pricing": [("POST", "/api/pricing/quote")], "books": [("PUT", "/*/books/seen/")]},
    catalog=["/api/catalog/", "/*/catalogue/"],
    prices=["/api/catalog/prices/"],
    pricing=["/api/pricing/"],
    books=["/*/books/", "/en/library/"],
    special=["/en/books/special/"],
    cafe=["/café/"],
)


@pytest.mark.parametrize(
    ("path", "capability", "route"),
    [
        ("/api/catalog/", "catalog", "/api/catalog/"),
        ("/api/catalog", "catalog", "/api/catalog/"),
        ("/api/catalog/products/SKU-1", "catalog", "/api/catalog/"),
        ("/api/catalog/prices", "prices", "/api/catalog/prices/"),
        ("/api/catalog/prices/1/", "prices", "/api/catalog/prices/"),
        ("/api/catalog/pricesx/1/", "catalog", "/api/catalog/"),
        ("/nl/catalogue/x", "catalog", "/*/catalogue/"),
        ("/api/catalogue/x", "catalog", "/*/catalogue/"),
        ("/en/books/x", "books", "/*/books/"),
        ("/en/books/special", "special", "/en/books/special/"),
        ("/en/library/", "books", "/en/library/"),
        ("/café/au/lait", "cafe", "/café/"),
    ],
)
def test_the_most_literal_route_wins(path: str, capability: str, route: str):
    assert SHOP.match(path) == Match(capability, route)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/api",
        "/api/",
        "/api/pricingx",
        "/api/pricingx/quote",
        "/api/Pricing/",
        "/v1/api/pricing/",
        "/catalogue/",
        "/a/b/catalogue/",
        "/cafe/",
        "/_strangler/books/x",
        "/_strangler/catalogue/",
    ],
)
def test_a_path_of_no_capability_matches_nothing(path: str):
    assert SHOP.match(path) is None


@pytest.mark.parametrize(
    ("method", "path", "kind"),
    [
        ("GET", "/api/pricing/x", Kind.QUERY),
        ("HEAD", "/api/pricing/x", Kind.QUERY),
        ("OPTIONS", "/api/pricing/x", Kind.QUERY),
        ("POST", "/api/pricing/quote", Kind.QUERY),
        ("POST", "/api/pricing/quote/", Kind.QUERY),
        ("POST", "/api/pricing/quote/1", Kind.COMMAND),
        ("POST", "/api/pricing/quotes", Kind.COMMAND),
        ("POST", "/api/pricing/", Kind.COMMAND),
        ("PUT", "/api/pricing/quote", Kind.COMMAND),
        ("post", "/api/pricing/quote", Kind.COMMAND),
        ("get", "/api/pricing/quote", Kind.COMMAND),
        ("TRACE", "/api/pricing/quote", Kind.COMMAND),
        ("PUT", "/nl/books/seen", Kind.QUERY),
        ("PUT", "/nl/books/seen/x", Kind.COMMAND),
        ("PUT", "/nl/books/lost", Kind.COMMAND),
        ("POST", "/nl/books/seen", Kind.COMMAND),
        ("POST", "/api/catalog/", Kind.COMMAND),
    ],
)
def test_a_kind_is_the_method_s_unless_the_manifest_says_otherwise(
    method: str, path: str, kind: Kind
):
    match = SHOP.match(path)
    assert match is not None
    assert SHOP.kind(match, method, path) is kind


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        ("/", "/"),
        ("/api/catalog/", "/api/catalog/"),
        ("/api/%63atalog", "/api/catalog"),
        ("/caf%C3%A9/", "/café/"),
        ("/caf\u00c3\u00a9/", "/café/"),  # bytes that came as they are, one character for each
        ("/a/50%25", "/a/50%"),
        ("/a%252Fb", "/a%2Fb"),  # decoded once, and only once
        ("/a%20b/%3F%23", "/a b/?#"),
        ("/.well-known/x..y/...", "/.well-known/x..y/..."),
        ("/a;v=1/[b]|c", "/a;v=1/[b]|c"),
    ],
)
def test_a_path_is_decoded_once(raw: str, path: str):
    assert canonical(raw) == path


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("", "slash"),
        ("api/catalog/", "slash"),
        ("*", "slash"),
        ("http://shop.example/api/catalog/", "slash"),
        ("//api/catalog/", "empty segment"),
        ("/api//catalog/", "empty segment"),
        ("/api/catalog//", "empty segment"),
        ("/x/../api/catalog/", "dot segment"),
        ("/api/./catalog/", "dot segment"),
        ("/api/catalog/..", "dot segment"),
        ("/api/catalog/.", "dot segment"),
        ("/%2e%2e/api/catalog/", "dot segment"),
        ("/x/.%2E/api/catalog/", "dot segment"),
        ("/api%2Fcatalog/", "encoded slash"),
        ("/api/catalog%2f..", "encoded slash"),
        ("/api%5Ccatalog/", "backslash"),
        ("/api\\catalog/", "backslash"),
        ("/api/catalog/%00", "control character"),
        ("/api/catalog/%0d%0aX: y", "control character"),
        ("/api/catalog/\x7f", "control character"),
        ("/api/catalog/%", "hexadecimal"),
        ("/api/catalog/%g0", "hexadecimal"),
        ("/api/catalog/%4", "hexadecimal"),
        ("/api/catalog/%FF", "no UTF-8"),
        ("/api/catalog/%C0%AF", "no UTF-8"),
        ("/api/catalog/\u00e9", "no UTF-8"),
        ("/api/catalog/?a=1", "query string"),
        ("/api/catalog/#a", "fragment"),
    ],
)
def test_an_odd_path_has_no_canonical_form(raw: str, reason: str):
    with pytest.raises(OddPath) as refused:
        canonical(raw)
    assert reason in refused.value.reason


@pytest.mark.parametrize(
    "raw",
    [
        "//api/pricing/quote",
        "/api//pricing/quote",
        "/x/../api/pricing/quote",
        "/../api/pricing/",
        "/./api/./pricing",
        "/api/pricing/../../admin/",
        "/api%2Fpricing/",
        "/api/pricing%2fquote",
        "/api%5Cpricing/",
        "/api\\pricing\\quote",
        "/%2e/api/pricing/",
        "/api/pricing/%00",
        "/api/pricing/%FF",
        "/api/pricing/%",
        "/api/%70ricing/\u00e9",
        "api/pricing/",
        "http://shop.example/api/pricing/",
        "/api/pricing//?next=/",
    ],
)
def test_an_odd_path_that_reaches_a_capability_touches_it(raw: str):
    assert SHOP.touches(raw)


@pytest.mark.parametrize(
    "raw",
    [
        "//admin/",
        "/static/../media/x",
        "/files/a%2Fb",
        "/api//pricingx",
        "/api/%2e%2e/pricing/",
        "/media/%FF",
        "*",
        "",
        "http://shop.example/admin/",
        "/admin//?next=/api/pricing/",
    ],
)
def test_an_odd_path_of_no_capability_is_left_alone(raw: str):
    assert not SHOP.touches(raw)


pieces = st.sampled_from(
    ["api", "catalog", "catalogue", "pricing", "nl", "en", "books", "special", "é", "x", "%", "a b"]
)
clean = st.lists(pieces, max_size=5).map(lambda parts: "/" + "/".join(parts))
wire = st.text(alphabet="/.%25efEF2cCA\\a;", max_size=20).map(lambda text: "/" + text)


@given(clean, st.booleans())
def test_what_has_a_canonical_form_touches_what_it_matches(path: str, slash: bool):  # noqa: FBT001  # drawn
    raw = quote(path) + ("/" if slash and path != "/" else "")
    assert unquote(raw) == canonical(raw)
    assert SHOP.touches(raw) == (SHOP.match(canonical(raw)) is not None)


@given(wire | st.text(max_size=20))
@example("/%252e%252e/")
def test_a_canonical_path_is_its_own_canonical_form(raw: str):
    try:
        path = canonical(raw)
    except OddPath:
        return
    assert canonical(quote(path)) == path
    if "%" not in path and path.isascii() and not {"?", "#"} & set(path):
        assert canonical(path) == path
    assert path.startswith("/")
    assert "//" not in path
    assert not {".", ".."} & set(path.split("/"))


def reference(path: str) -> set[str]:
    """The capabilities whose most literal route covers a path, by the words of the design."""
    routes = {
        "catalog": ["/api/catalog/", "/*/catalogue/"],
        "prices": ["/api/catalog/prices/"],
        "pricing": ["/api/pricing/"],
        "books": ["/*/books/", "/en/library/"],
        "special": ["/en/books/special/"],
        "cafe": ["/café/"],
    }
    segments = path.strip("/").split("/")
    ranks = {}
    for name, texts in routes.items():
        for text in texts:
            route = text.strip("/").split("/")
            covered = segments[: len(route)]
            if len(covered) == len(route) and all(
                one in {"*", other} for one, other in zip(route, covered, strict=True)
            ):
                ranks[name] = max(ranks.get(name, 0), sum(one != "*" for one in route))
    return {name for name, rank in ranks.items() if rank == max(ranks.values())}


@given(clean)
def test_matching_is_as_the_design_says(path: str):
    match = SHOP.match(path)
    assert ({match.capability} if match else set()) == reference(path)


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        ("/about", "/about"),
        ("/caf%C3%A9", "/café"),
        ("/api/catalogue", "/api/catalogue"),
        ("/api/catalog/x", None),
        ("/api/catal%6Fg/x", None),
        ("/about//x", None),
        ("/_strangler/ports/catalog", None),
        ("/_stranglers/", "/_stranglers/"),
        ("", None),
    ],
)
def test_what_was_missed_is_said_only_of_what_has_one_reading(raw: str, path: str | None):
    known = routing(catalog=["/api/catalog/"])
    assert [known.missed(raw), known.missed(raw)] == [path, path]
