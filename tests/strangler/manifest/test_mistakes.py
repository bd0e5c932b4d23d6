"""Every mistake that a manifest can have: each alone, and all of them at once."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from strangler.manifest import Problem
from tests.strangler.manifest.writing import FILE, capability, edge, problems


@dataclass(frozen=True)
class Case:
    """One mistake: what is written at which key, and what is said about it."""

    key: str
    written: str | None
    found: str
    remedy: str
    at: str = ""
    """The key that the problem names, if it is another one."""
    before: str = ""
    """Tables that come before this capability's; ``{X}`` there stands for its name."""

    def __str__(self) -> str:
        return f"{self.key} = {self.written}"


NO_URL = "write 'http://HOST:PORT'"
NO_STEPS = "write whole percentages in ascending order"

IN_A_CAPABILITY = [
    # Keys
    Case("ownr", '"a"', "there is no such key", "did you mean 'owner'?"),
    Case("stage", '"live"', "there is no such key", "the keys here are callers, context"),
    Case("shadow.smaple", "0.5", "there is no such key", "did you mean 'sample'?"),
    Case("rollout.step", "[1]", "there is no such key", "did you mean 'steps'?"),
    Case("resilience.time_out", '"2s"', "there is no such key", "did you mean 'timeout'?"),
    Case("resilience.breaker.fails", "5", "there is no such key", "did you mean 'failures'?"),
    Case("context", None, "it is missing", 'write "monolith.{name}"'),
    Case("owner", None, "it is missing", "write the name of a team"),
    Case("contract", None, "it is missing", 'write "contracts.{name}:Port"'),
    Case("service", None, "it is missing", 'write ["http://127.0.0.1:8101"]'),
    Case("routes", None, "it is missing", 'write ["/api/{name}/"]'),
    # Types
    Case("owner", "7", "7 is no text", "between quotes"),
    Case("owner", '" "', "it is empty", "fill it in"),
    Case("service", '"http://a:1"', "'http://a:1' is no list", "between [ and ]"),
    Case("service", "[]", "the list is empty", "name at least one"),
    Case("callers", "[1]", "1 is no text", "between quotes", at="callers[0]"),
    Case("shadow", "true", "True is no table", "write [capability.{name}.shadow]"),
    Case(
        "resilience.breaker", "5", "5 is no table", "write [capability.{name}.resilience.breaker]"
    ),
    # Events
    Case(
        "subscribes",
        '["Sky.star.seen"]',
        "'Sky.star.seen' is no type of event",
        "capability.aggregate.what",
        at="subscribes[0]",
    ),
    Case(
        "subscribes",
        '["sky.star"]',
        "'sky.star' is no type of event",
        "capability.aggregate.what",
        at="subscribes[0]",
    ),
    Case(
        "subscribes",
        '["sky.star.seen"]',
        "would be said by 'sky', and there is no such",
        "the capabilities are",
    ),
    Case(
        "subscribes",
        '["{name}_other.a.b", "{name}_other.a.b"]',
        "is there twice",
        "leave one of them out",
        at="subscribes[1]",
        before=capability("{X}_other", {}),
    ),
    Case(
        "subscribes",
        '["{name}.a.b"]',
        "'{name}.a.b' is said by {name} itself, which could never change owner",
        "leave it out",
    ),
    # Names in modules
    Case("context", '"monolith/catalog"', "'monolith/catalog' is no dotted module name", "such as"),
    Case("context", '"monolith.class"', "'monolith.class' is no dotted module name", "such as"),
    Case("contract", '"contracts.x"', "'contracts.x' names nothing in a module", "module:Name"),
    Case("contract", '"a:b:C"', "'a:b:C' names nothing in a module", "module:Name"),
    Case("transfer", '"a b:c"', "'a b:c' names nothing in a module", "module:Name"),
    # URLs
    Case("service", '["127.0.0.1:80"]', "'127.0.0.1:80' has no scheme", NO_URL, at="service[0]"),
    Case("service", '["ftp://a"]', "'ftp://a' has no scheme", NO_URL, at="service[0]"),
    Case("service", '["http://"]', "'http://' names no host", NO_URL, at="service[0]"),
    Case("service", '["http://a b"]', "'http://a b' names no host", NO_URL, at="service[0]"),
    Case("service", '["http://a:0"]', "'http://a:0' names no host", NO_URL, at="service[0]"),
    Case("service", '["http://a:x"]', "'http://a:x' is no URL", NO_URL, at="service[0]"),
    Case("service", '["http://a/b"]', "'http://a/b' has more than", NO_URL, at="service[0]"),
    Case("service", '["http://u@a"]', "'http://u@a' has more than", NO_URL, at="service[0]"),
    Case("service", '["http://a", "http://a/"]', "'http://a/' is there twice", "", at="service[1]"),
    # Routes
    Case("routes", '["api/"]', "'api/' is no route", "slash: '/api/'", at="routes[0]"),
    Case("routes", '["/api"]', "'/api' is no route", "slash: '/api/'", at="routes[0]"),
    Case("routes", '["/"]', "'/' covers every path", "literal segment", at="routes[0]"),
    Case("routes", '["/*/"]', "'/*/' covers every path", "literal segment", at="routes[0]"),
    Case("routes", '["/a//b/"]', "'/a//b/' has an empty segment", "single", at="routes[0]"),
    Case("routes", '["/a/../b/"]', "'/a/../b/' has the dot segment '..'", "", at="routes[0]"),
    Case("routes", '["/a%20b/"]', "'/a%20b/' contains '%'", "decoded", at="routes[0]"),
    Case("routes", '["/a/?b=/"]', "'/a/?b=/' contains '?'", "without query", at="routes[0]"),
    Case("routes", '["/a b/"]', "'/a b/' contains ' '", "spaces", at="routes[0]"),
    Case("routes", "['/a\\b/']", r"'/a\\b/' contains '\\'", "backslashes", at="routes[0]"),
    Case("routes", '["/v*/x/"]', "'/v*/x/' has a * within 'v*'", "whole segment", at="routes[0]"),
    Case("routes", '["/_strangler/x/"]', "'/_strangler/x/' is among", "to the kit", at="routes[0]"),
    Case("routes", '["/r/{name}/", "/r/{name}/"]', "there twice", "leave one", at="routes[1]"),
    Case(
        "routes",
        '["/api/{name}_other/"]',
        "'/api/{name}_other/' is claimed by {name}_other too",
        "let one capability have them",
        before=capability("{X}_other", {}),
    ),
    Case(
        "routes",
        '["/{name}/*/b/"]',
        "'/{name}/*/b/' and '/{name}/b/*/' of {name}_other claim the same paths",
        "or be more literal",
        before=capability("{X}_other", {"routes": '["/{X}/b/*/"]'}),
    ),
    # Queries
    Case("queries", '["/api/x"]', "'/api/x' is no method and path", "POST /", at="queries[0]"),
    Case("queries", '["GET /api/{name}/x"]', "GET is a query already", "leave", at="queries[0]"),
    Case("queries", '["HEAD /api/{name}/x"]', "HEAD is a query already", "leave", at="queries[0]"),
    Case("queries", '["OPTIONS /x"]', "OPTIONS is a query already", "leave", at="queries[0]"),
    Case("queries", '["post /api/x"]', "'post' is no method", "one of POST, PUT", at="queries[0]"),
    Case("queries", '["POST  /x"]', "' /x' is no path", "begin it with a slash", at="queries[0]"),
    Case("queries", '["POST /a/./b"]', "'/a/./b' has the dot segment '.'", "", at="queries[0]"),
    Case("queries", '["POST /other"]', "POST /other is outside the routes /api/{name}/", "add"),
    Case(
        "queries",
        '["POST /api/{name}/deep/x"]',
        "POST /api/{name}/deep/x is a path of {name}_other, whose route is more literal",
        "list it in capability.{name}_other.queries",
        before=capability("{X}_other", {"routes": '["/api/{X}/deep/"]'}),
    ),
    Case(
        "queries",
        '["PUT /api/{name}/a", "PUT /api/{name}/a"]',
        "is there twice",
        "",
        at="queries[1]",
    ),
    # Who, where, together
    Case("callers", '["nobody"]', "nobody is called 'nobody'", ""),
    Case("callers", '["monolith", "monolith"]', "'monolith' is there twice", "", at="callers[1]"),
    Case("placement", '"here"', "'here' is no placement", "one of local, loopback, remote, auto"),
    Case("group", '"A"', "'A' can't be part of file names", "lower-case"),
    Case(
        "group",
        '"{name}_other"',
        "'{name}_other' is a capability, which is not in that group",
        'or write group = "{name}_other" there too',
        before=capability("{X}_other", {}),
    ),
    Case(
        "transfer",
        '"extracted.{name}.transfer:tables"\ngroup = "both"',
        "{name} has tables (transfer), and {name}_other would flip with it: rows change owner one",
        "leave group out: they climb one after the other; or make one capability of them",
        at="group",
        before=capability("{X}_other", {"group": '"both"'}),
    ),
    Case(
        "contract",
        '"contracts.{name}_other:Port"',
        "'contracts.{name}_other:Port' is the contract of {name}_other already",
        "this capability's own",
        before=capability("{X}_other", {}),
    ),
    # Numbers and durations
    *(
        Case(f"resilience.{key}", text, f"{found} is no duration", "such as '2s'")
        for key in ("timeout", "breaker.reset")
        for text, found in [
            ("2", "2"),
            ('"2"', "'2'"),
            ('"-2s"', "'-2s'"),
            ('"2 weeks"', "'2 weeks'"),
        ]
    ),
    Case("resilience.timeout", '"0ms"', "'0ms' is no time at all", "above 0"),
    Case("resilience.breaker.reset", '"0s"', "'0s' is no time at all", "above 0"),
    Case("rollout.soak", '"long"', "'long' is no duration", "such as '2s'"),
    *(
        Case(key, text, f"{found} is no whole number above 0", "such as 5")
        for key in (
            "resilience.attempts",
            "resilience.concurrency",
            "resilience.breaker.failures",
            "shadow.min_comparisons",
            "shadow.min_per_route",
            "rollout.min_requests",
            "gateway.burst",
        )
        for text, found in [("0", "0"), ("-1", "-1"), ("1.5", "1.5"), ("true", "True")]
    ),
    *(
        Case("shadow.min_rehearsals", text, f"{found} is no whole number", "or 0 for none")
        for text, found in [("-1", "-1"), ("1.5", "1.5"), ("true", "True")]
    ),
    Case("shadow.sample", "1.01", "1.01 is no share", "from 0 to 1"),
    Case("shadow.sample", "-0.1", "-0.1 is no share", "from 0 to 1"),
    Case("shadow.sample", "nan", "nan is no share", "from 0 to 1"),
    Case("shadow.sample", '"all"', "'all' is no share", "from 0 to 1"),
    Case("shadow.sample", "true", "True is no share", "from 0 to 1"),
    Case("rollout.steps", "5", "5 is no list of percentages", NO_STEPS),
    Case("rollout.steps", "[]", "[] is no list of percentages", NO_STEPS),
    Case("rollout.steps", "[0, 5]", "0 is not from 1 to 100", NO_STEPS),
    Case("rollout.steps", "[5, 101]", "101 is not from 1 to 100", NO_STEPS),
    Case("rollout.steps", "[5, 5]", "5 does not come after 5", NO_STEPS),
    Case("rollout.steps", "[25, 5]", "5 does not come after 25", NO_STEPS),
    Case("rollout.steps", "[0.5]", "0.5 is no whole number", NO_STEPS),
    Case("rollout.steps", '["5%"]', "'5%' is no whole number", NO_STEPS),
    *(
        Case("gateway.rate", text, f"{found} is no rate", "such as '20/s'")
        for text, found in [
            ("20", "20"),
            ('"20"', "'20'"),
            ('"0/s"', "'0/s'"),
            ('"1.5/s"', "'1.5/s'"),
            ('"5/h"', "'5/h'"),
            ('"-1/s"', "'-1/s'"),
        ]
    ),
    Case("gateway.rate_by", '"user"', "'user' is nobody", "'client', 'address' or 'key'"),
    Case("gateway.rate_by", '"key"', "no key is wanted here", 'write key = "X-Api-Key"'),
    Case("gateway.slash", '"yes"', "'yes' is neither true nor false", "write true"),
    Case("gateway.cache", "5", "5 is no duration", "such as '2s'"),
    Case("gateway.cache", '"0s"', "'0s' is no time at all", "above 0"),
    Case("gateway.cache", '"1500ms"', "'1500ms' has a part of a second", "such as '5s'"),
    Case("gateway.key", '"X Key"', "'X Key' is no name of a header", "such as 'X-Api-Key'"),
    Case("gateway.key", '"X_Key"', "'X_Key' is no name of a header", "such as 'X-Api-Key'"),
    Case("gateway.key", '"Cookie"', "Cookie says something else", "such as 'X-Api-Key'"),
    Case("gateway.key", '"X-Strangler-Arm"', "says something else", "such as 'X-Api-Key'"),
    Case("gateway.key", "true", "True is no text", "between quotes"),
    Case("gateway.origins", '["*"]', "'*' has no scheme", "HOST:PORT", at="gateway.origins[0]"),
    Case(
        "gateway.origins",
        '["https://Shop.example"]',
        "'https://Shop.example' is not as a browser writes it",
        "'https://shop.example'",
        at="gateway.origins[0]",
    ),
    *(
        Case("gateway.body", text, found, remedy)
        for text, found, remedy in [
            ("1024", "1024 is no size", "such as '64k'"),
            ('"1 M"', "'1 M' is no size", "such as '64k'"),
            ('"0"', "'0' is not from 1 to 1M", "at most '1M'"),
            ('"1025k"', "'1025k' is not from 1 to 1M", "no service takes more"),
        ]
    ),
    # Paths into JSON
    *(
        Case(
            f"shadow.{key}", f'["{path}"]', f"'{path}' is no path", "$.name", at=f"shadow.{key}[0]"
        )
        for key in ("ignore", "unordered", "redact")
        for path in ("served_at", "$.", "$..a", "$.a[0]", "$.a b", "$[?(@.a)]")
    ),
]

IN_THE_EDGE = [
    Case("monolith", None, "it is missing", 'write "http://127.0.0.1:8000"'),
    Case("monolith", '"localhost:8000"', "'localhost:8000' has no scheme", NO_URL),
    Case("monolit", '"http://a"', "there is no such key", "did you mean 'monolith'?"),
    Case("sticky", "[]", "the list is empty", "name at least one"),
    Case("sticky", '["session"]', "'session' is nothing to keep", "header:NAME", at="sticky[0]"),
    Case("sticky", '["header:"]', "'header:' is nothing to keep", "header:NAME", at="sticky[0]"),
    Case("sticky", '["header:a b"]', "'header:a b' is nothing", "header:NAME", at="sticky[0]"),
    Case("sticky", '["header:X-Strangler-A"]', "is the edge's own", "clients", at="sticky[0]"),
    Case("sticky", '["cookie", "cookie"]', "'cookie' is there twice", "", at="sticky[1]"),
    Case("credentials", '["a b"]', "no name of a header", "'Remote-User'", at="credentials[0]"),
    Case("credentials", '["Host"]', "says something else", "'Remote-User'", at="credentials[0]"),
    Case("site", '"shop.example"', "'shop.example' has no scheme", NO_URL),
    Case("site", '"https://shop_;example"', "names no host", "'https://shop.example'"),
    Case("hsts", '"1500ms"', "has a part of a second", "whole seconds"),
    Case("header", '"1023"', "'1023' is not from 1k to 256k", "such as '16k'"),
    Case("header", '"1M"', "'1M' is not from 1k to 256k", "such as '16k'"),
]

NAMES = [
    ("Catalog", "'Catalog' can't be part of file names"),
    ("1st", "'1st' can't be part of file names"),
    ("two-words", "'two-words' can't be part of file names"),
    ('"a/b"', "'a/b' can't be part of file names"),
    ('"../up"', "'../up' can't be part of file names"),
    (f"a{'b' * 40}", f"'a{'b' * 40}' can't be part of file names"),
    ("monolith", "STRANGLER_MONOLITH means something else"),
    ("edge", "STRANGLER_EDGE means something else"),
    ("pricing_url", "STRANGLER_PRICING_URL means something else"),
    ("mover", "STRANGLER_MOVER means something else"),
    ("pricing_database", "STRANGLER_PRICING_DATABASE means something else"),
]


def written(case: Case, name: str) -> str:
    """A manifest's tables with one mistake in the capability of that name."""
    text = case.before.replace("{X}", name)
    return text + capability(name, {case.key: case.written})


def misnamed(name: str, number: int) -> str:
    """A capability that is right but for its name."""
    keys = {"context": '"a"', "contract": f'"a:A{number}"', "routes": f'["/names/{number}/"]'}
    return capability(name, {**keys, "owner": '"a"'})


def matches(problem: Problem, case: Case, name: str) -> bool:
    return (
        problem.file == str(FILE)
        and problem.key == f"capability.{name}.{case.at or case.key}"
        and case.found.replace("{name}", name) in problem.found
        and case.remedy.replace("{name}", name) in problem.remedy
    )


@pytest.mark.parametrize("case", IN_A_CAPABILITY, ids=str)
def test_a_mistake_in_a_capability_is_said(case: Case):
    (problem,) = problems(edge({}) + written(case, "catalog"))
    assert matches(problem, case, "catalog"), problem


def test_what_a_key_opens_is_not_kept_for_others():
    gateway = capability("catalog", {"gateway.key": '"X-Api-Key"', "gateway.cache": '"5s"'})
    (problem,) = problems(edge({}) + gateway)
    assert problem.key == "capability.catalog.gateway.cache"
    assert problem.remedy == "leave cache out, or key"


@pytest.mark.parametrize("case", IN_THE_EDGE, ids=str)
def test_a_mistake_in_the_edge_is_said(case: Case):
    (problem,) = problems(edge({case.key: case.written}))
    assert problem.key == f"edge.{case.at or case.key}"
    assert case.found in problem.found
    assert case.remedy in problem.remedy


@pytest.mark.parametrize(("name", "found"), NAMES)
def test_a_name_must_do_for_files_and_variables(name: str, found: str):
    (problem,) = problems(edge({}) + misnamed(name, 1))
    assert problem.key == "capability." + name.strip('"')
    assert found in problem.found
    assert problem.remedy.startswith("use ")


def test_all_mistakes_are_said_at_once():
    text = edge({"monolith": '"nowhere"', "stiky": "1", "sticky": '["x", "address", "address"]'})
    text += "".join(written(case, f"c{number}") for number, case in enumerate(IN_A_CAPABILITY))
    text += "".join(misnamed(name, number) for number, (name, _) in enumerate(NAMES))
    text += "[capabilities.catalog]\n"
    said = list(problems(text, {"STRANGLER_C0_URL": "nowhere"}))
    for number, case in enumerate(IN_A_CAPABILITY):
        name = f"c{number}"
        (found,) = (one for one in said if one.key.startswith(f"capability.{name}."))
        # Which name is nearest to a wrong one depends on all that are known.
        assert found.key == f"capability.{name}.{case.at or case.key}"
        assert case.found.replace("{name}", name) in found.found
        said.remove(found)
    assert sorted(one.key for one in said) == sorted(
        [
            "capabilities",
            "edge.monolith",
            "edge.sticky[0]",
            "edge.sticky[2]",
            "edge.stiky",
            "STRANGLER_C0_URL[0]",
            *(f"capability.{name.strip(chr(34))}" for name, _ in NAMES),
        ]
    )
    assert all(one.found and one.remedy for one in said)


@pytest.mark.parametrize(
    ("text", "key", "found", "remedy"),
    [
        ("capability = 1", "capability", "1 is no table", "write [capability]"),
        ("capability.a = 1", "capability.a", "1 is no table", "write [capability.a]"),
        ("[capabilities.a]", "capabilities", "there is no such key", "mean 'capability'?"),
        ("version = 1", "version", "there is no such key", "the keys here are capability, edge"),
    ],
)
def test_a_table_in_the_wrong_place_is_said(text: str, key: str, found: str, remedy: str):
    said = problems(f"{text}\n{edge({})}")
    assert said[0].key == key
    assert found in said[0].found
    assert remedy in said[0].remedy
