"""What is compiled: whole, taken by a real NGINX, and read by it as the kit reads the manifest."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from strangler.manifest import BODY, Capability, Edge, Manifest, load
from strangler.manifest.read import parse
from strangler.ports import headers as ports
from strangler.ports.credentials import speaks_of_one
from strangler.ports.face import LIMIT
from strangler.routing.decide import Kind
from strangler.routing.nginx import CannotCompile, Settings, compiled, headers
from strangler.routing.paths import RouteMap
from tests.certificates import certificate
from tests.servers import installed_nginx, nginx_version
from tests.strangler.django.faults import faults
from tests.strangler.routing.edge.front import System, service, system

ONE = """
[capability.{name}]
context  = "{name}"
owner    = "team"
contract = "{name}:Port"
service  = {service}
routes   = {routes}
queries  = {queries}
"""
HEAD = "[edge]\nmonolith = 'http://127.0.0.1:9'\nsticky = {sticky}\n"
ROUTES = {
    "en": ["/en/"],
    "books": ["/en/books/", "/*/library/new/"],
    "special": ["/en/books/special/", "/a.b/c+d/(e)/"],
    "shelf": ["/*/books/special/shelf/now/"],
    "tail": ["/*/x/tail/end/", "/käse/"],
    "deep": ["/en/x/tail/new/"],
}
QUERIES = {
    "books": ["POST /en/books/ask", "PUT /*/library/new/ask"],
    "tail": ["DELETE /nl/x/tail/end"],
    "special": ["POST /a.b/c+d/(e)/f.g"],
}
SEGMENTS = ["en", "nl", "books", "library", "special", "shelf", "new", "x", "tail", "end"]


def manifest(text: str, **environ: str) -> Manifest:
    return parse(text, path=Path("capabilities.toml"), environ=environ)


def many(count: int) -> Manifest:
    """Made as such: reading it takes longer than compiling it."""
    capabilities = {
        f"capability_{number}": Capability(
            name=f"capability_{number}",
            context="x",
            owner="team",
            contract="x:Port",
            service=(f"http://10.0.{number // 250}.{number % 250 + 1}:8000",),
            routes=(f"/api/capability-{number}/",),
            queries=(("POST", f"/api/capability-{number}/search"),) if number % 10 == 0 else (),
            transfer="x:tables",
        )
        for number in range(count)
    }
    return Manifest(Path("capabilities.toml"), Edge("http://127.0.0.1:9"), capabilities)


def nginx_takes(files: dict[str, str], folder: Path, program: str | None = None) -> float:
    """Seconds that ``nginx -t`` takes; what it complains of is an error, warnings too."""
    for name, text in files.items():
        (folder / name).write_text(text)
    began = time.monotonic()
    where = ["-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "log"]
    done = subprocess.run(
        [program or installed_nginx(), "-t", "-q", *where],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return time.monotonic() - began


def test_a_thousand_capabilities_are_taken(tmp_path: Path) -> None:
    began = time.process_time()
    files = dict(compiled(many(1000)))
    assert time.process_time() - began < 3
    assert nginx_takes(files, tmp_path) < 10


@pytest.mark.parametrize(
    "sticky",
    ['["cookie"]', '["address"]', '["header:X-A"]', '["header:X-A", "cookie", "header:X-B"]'],
)
def test_every_list_of_sticky_keys_is_taken(tmp_path: Path, sticky: str) -> None:
    text = HEAD.format(sticky=sticky) + ONE.format(
        name="one", service='["http://127.0.0.1:8"]', routes='["/one/"]', queries="[]"
    )
    nginx_takes(dict(compiled(manifest(text))), tmp_path)


def test_what_is_committed_is_taken_and_listens_on_loopback(tmp_path: Path, nginx: str) -> None:
    """It is for the oldest; whoever has a newer one may compile it for that, as an agent does."""
    folder = Path(__file__).parents[4] / "router" / "nginx"
    files = {path.name: path.read_text() for path in folder.glob("*.conf")}
    nginx_takes(files, tmp_path, nginx)
    assert "listen 127.0.0.1:8080;" in files["nginx.conf"]
    ours = load(folder.parent / "capabilities.toml", {})
    nginx_takes(dict(compiled(ours, Settings(version=nginx_version(nginx)))), tmp_path, nginx)


EVERYTHING = """
[capability.{name}.gateway]
rate        = "5/s"
rate_by     = "{by}"
{more}
origins     = ["https://shop.example"]
body        = "{body}k"
slash       = true
maintenance = "1m"
"""


def test_everything_at_once_is_taken(tmp_path: Path, nginx: str) -> None:
    text = (
        HEAD.format(sticky='["header:X-A", "cookie", "address"]')
        + 'site = "https://shop.example"\n'
    )
    text += 'hsts = "1h"\nheader = "16k"\n'
    for number, name in enumerate(("one", "two", "three", "four")):
        by, more = ("key", 'key = "X-Own-Key"') if number % 2 else ("client", 'cache = "5s"')
        text += ONE.format(
            name=name,
            service='["http://127.0.0.1:8", "http://127.0.0.1:9"]',
            routes=f'["/{name}/"]',
            queries=f'["POST /{name}/ask"]',
        )
        text += EVERYTHING.format(name=name, by=by, more=more, body=number + 1)
    for name, url in (("named", "http://one.test:8"), ("tls", "https://localhost")):
        text += ONE.format(name=name, service=[url], routes=[f"/{name}/"], queries=[])
    path = str(certificate(tmp_path, "shop.example"))
    settings = Settings(
        certificate=path,
        certificate_key=path,
        plain="127.0.0.1:8081",
        retired=frozenset({"two"}),
        version=nginx_version(nginx),
        resolver="127.0.0.1:9",
    )
    files = dict(compiled(manifest(text), settings))
    nginx_takes(files, tmp_path, nginx)
    # Of two by one name NGINX takes the last, and says nothing.
    defined = r"^ *(?:map|split_clients) .*(\$\w+) \{|\(\?<(\w+)>"
    names = ["".join(one) for one in re.findall(defined, "".join(files.values()), re.MULTILINE)]
    assert sorted(set(names)) == sorted(names)


def test_what_is_not_asked_for_stands_nowhere() -> None:
    text = "".join(compiled(many(3)).values())
    for word in (
        "secure_link", "strangler_api", "strangler_answers", "Cache-Status", "strangler_fresh",
        "strangler_slash", "ssl_cert", " server_name", "strangler_closed", "strangler_size",
        "strangler_origin", "strangler_hsts", "large_client_header_buffers", '"client":',
        "limit_req",
    ):  # fmt: skip
        assert word not in text, word


def test_names_are_resolved_again_where_that_can_be() -> None:
    text = HEAD.format(sticky='["cookie"]') + ONE.format(
        name="one", service='["http://one.internal:8"]', routes='["/one/"]', queries="[]"
    )
    old, new = (1, 22, 1), (1, 28, 0)
    fixed = compiled(manifest(text), Settings(version=new))
    assert " resolve;" not in fixed["upstreams.conf"]
    files = compiled(manifest(text), Settings(version=new, resolver="127.0.0.53"))
    assert "server one.internal:8 max_fails=5 fail_timeout=2s resolve;" in files["upstreams.conf"]
    files = compiled(manifest(text), Settings(version=old, resolver="127.0.0.53"))
    assert "upstream one.queries" not in files["upstreams.conf"]
    assert "set $strangler_service http://one.internal:8;" in files["services.conf"]
    assert "keepalive_min_timeout" not in files["nginx.conf"]
    assert "keepalive_min_timeout 2s;" in compiled(many(1), Settings(version=new))["nginx.conf"]


def test_replicas_that_are_reached_in_two_ways_are_refused() -> None:
    text = HEAD.format(sticky='["cookie"]') + ONE.format(
        name="one",
        service='["http://127.0.0.1:8", "https://127.0.0.2:8"]',
        routes='["/one/"]',
        queries="[]",
    )
    with pytest.raises(CannotCompile, match="by http, or all by https"):
        compiled(manifest(text))
    with pytest.raises(CannotCompile, match="absolute path"):
        Settings(table="table; return 200")


def test_the_closed_lists_are_those_of_the_ports() -> None:
    assert set(headers.INTERNAL) == set(ports.INTERNAL)
    assert BODY == LIMIT
    settings = Settings()
    assert all(map(speaks_of_one, headers.credentials(settings)))
    for name in ports.INTERNAL:
        for lines in (headers.to_monolith(), headers.to_service(settings)):
            assert sum(line.startswith(f"proxy_set_header {name} ") for line in lines) == 1


def test_whoever_adds_a_header_adds_those_of_every_answer() -> None:
    """NGINX forgets the server's where a location has its own."""
    files = compiled(many(2))
    adding = {name for name, text in files.items() if "\nadd_header" in text} - {"told.conf"}
    assert adding == {name for name, text in files.items() if "\ninclude told.conf;" in text}
    assert not [name for name, text in files.items() if "\n    add_header" in text]


def test_services_that_are_asked_alike_share_their_locations_and_nothing_else(
    tmp_path: Path,
) -> None:
    assert compiled(many(1000))["services.conf"].count("location @") == 2
    with faults() as other:
        other.behave = service
        hurried = ONE + "resilience.timeout = '1s'\n"
        ones = {"one": ONE, "two": ONE, "hurried": hurried}
        text = HEAD + "".join(
            piece.format(name=name, service=at, routes=f'["/{name}/"]', queries="[]")
            for (name, piece), at in zip(
                ones.items(), ['["{service}"]', *[f'["{other.url}"]'] * 2], strict=True
            )
        )
        with system(tmp_path, text=text) as made:
            assert compiled(made.manifest)["services.conf"].count("location @") == 4
            made.stand(1000)
            for number, name in enumerate(ones):
                for method in ("GET", "POST"):
                    assert made.ask(method, f"/{name}/{method}").arm == "service"
                    seen = (other if number else made.service).seen.pop()
                    assert seen.target == f"/{name}/{method}"


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    ones = (
        ONE.format(name=name, service='["{service}"]', routes=routes, queries=QUERIES.get(name, []))
        for name, routes in ROUTES.items()
    )
    text = HEAD + "".join(ones)
    with system(tmp_path_factory.mktemp("edge"), text=text) as made:
        yield made


def test_nginx_reads_routes_as_the_kit_does(library: System) -> None:
    """Of every path of up to four segments: the same capability, and the same kind of request."""
    paths = [""]
    asked = []
    for _ in range(4):
        paths = [f"{path}/{segment}" for path in paths for segment in SEGMENTS]
        asked += paths[:: max(1, len(paths) // 400)]
    asked += [
        "/en/books/special/shelf/now", "/nl/books/special/shelf/now/x", "/en/booksx",
        "/en/library/new/ask", "/en/books/special/shelf/no", "/en/x/tail/new", "/en/x/tail/end",
        "/en/books/ask", "/en/books/ask/", "/en/books/asks", "/en/books/ASK",
        "/nl/library/new/ask/",
        "/nl/x/tail/end", "/nl/x/tail/end/x", "/a.b/c+d/(e)", "/aXb/c+d/(e)/f.g", "/a.b/ccd/(e)",
        "/a.b/c+d/(e)/f.g", "/a.b/c+d/(e)/fxg", "/k%C3%A4se/", "/en/x/y/z", "/en/x/y/zz",
    ]  # fmt: skip
    known = RouteMap(library.manifest)
    wanted = []
    for number, path in enumerate(asked):
        method = ("GET", "POST", "PUT", "DELETE")[number % 4]
        for one in {method, "POST"} if number > len(asked) - 20 else {method}:
            library.client.ask(one, path)
            plain = path.replace("%C3%A4", "ä")
            match = known.match(plain)
            kind = known.kind(match, one, plain) if match else None
            said = {Kind.QUERY: "queries", Kind.COMMAND: "commands", None: ""}[kind]
            wanted.append((one, plain, match.capability if match else "", said))
    until = time.monotonic() + 5
    while len(library.front.log()) < len(wanted) and time.monotonic() < until:
        time.sleep(0.02)
    found = [
        (line["method"], line["path"], line["capability"], line["kind"])
        for line in library.front.log()
    ]
    assert found == wanted
    assert {name for _, _, name, _ in found} == {"", *ROUTES}
