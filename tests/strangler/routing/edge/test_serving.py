"""How clients come in, at a real NGINX: by TLS, by the site's name, by the path with its slash."""

from __future__ import annotations

import socket
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from strangler.ladder import COHORTS
from strangler.manifest.read import parse
from strangler.routing.nginx import CannotCompile, Settings, compiled
from tests.certificates import certificate
from tests.servers import free_port, running
from tests.strangler.django.faults import Faults, faults, reply
from tests.strangler.routing.edge.front import MANIFEST, Front, monolith, system

SITE = "https://shop.example:8443"
EDGE = f'[edge]\nsite = "{SITE}"\nhsts = "8760h"\n'
SLASH = "\n[capability.weather.gateway]\nslash = true\n"
WITHOUT = {
    "sticky": '["cookie"]',
    "services": '["http://127.0.0.1:9"]',
    "timeout": "9s",
    "failures": 5,
    "transfer": "",
}


class Secure(Front):
    """One whose own socket speaks no TLS, whatever its others do."""

    def write(self) -> None:
        """Compile anew."""
        super().write()
        path = self.folder / "nginx.conf"
        listens = f"listen unix:{self.folder}/socket;\n        server_name shop.example;"
        path.write_text(path.read_text().replace("server_name shop.example;", listens))


class Site:
    """NGINX by TLS, one address without, and a client that believes its certificate."""

    def __init__(self, front: Front, home: Faults, plain: int, path: Path) -> None:
        self.front, self.home, self.plain, self.path = front, home, plain, path
        self.context = ssl.create_default_context(cafile=str(path))

    def ask(
        self, method: str, target: str, *, host: str = "shop.example", plain: bool = False
    ) -> httpx.Response:
        """One request by this name."""
        port = self.plain if plain else self.front.port
        url = f"{'http' if plain else 'https'}://127.0.0.1:{port}{target}"
        with httpx.Client(verify=self.context, trust_env=False) as client:
            extensions = {"sni_hostname": "shop.example"}
            request = client.build_request(
                method, url, headers={"Host": host}, extensions=extensions
            )
            return client.send(request)

    def talk(self, context: ssl.SSLContext) -> ssl.SSLSocket:
        """A handshake."""
        peer = socket.create_connection(("127.0.0.1", self.front.port), 10)
        return context.wrap_socket(peer, server_hostname="shop.example")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("tls")
    path = certificate(folder, "shop.example", "www.shop.example")
    plain = free_port()
    text = MANIFEST.format(**WITHOUT).replace("[edge]\n", EDGE) + SLASH
    with faults() as home:
        environ = {"STRANGLER_MONOLITH_URL": home.url}
        manifest = parse(text, path=Path("capabilities.toml"), environ=environ)
        settings = Settings(
            table=str(folder / "table"),
            certificate=str(path),
            certificate_key=str(path),
            plain=f"127.0.0.1:{plain}",
        )
        with running(Secure(manifest, settings)) as front:
            yield Site(front, home, plain, path)


@pytest.fixture
def site(made: Site) -> Site:
    made.home.behave = monolith()
    made.home.seen.clear()
    return made


def test_the_site_is_reached_by_tls(site: Site) -> None:
    for target in ("/about", "/weather/rome"):
        answer = site.ask("GET", target)
        assert answer.status_code == 200
        assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
        assert site.home.seen[-1].header("X-Forwarded-Proto") == "https"
    assert "; Secure" in answer.headers["Set-Cookie"]
    site.home.behave = reply(200, {}, "Strict-Transport-Security: max-age=1")
    assert site.ask("GET", "/about").headers.get_list("Strict-Transport-Security") == ["max-age=1"]


def test_what_is_spoken(site: Site) -> None:
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = ssl.create_default_context(cafile=str(site.path))
        context.maximum_version = context.minimum_version = version
        context.set_alpn_protocols(["h2", "http/1.1"])
        with site.talk(context) as peer:
            assert peer.selected_alpn_protocol() == "h2"
            cipher = peer.cipher()
            assert cipher is not None
            assert "GCM" in cipher[0] or "CHACHA20" in cipher[0]
            session = peer.session
        if version is ssl.TLSVersion.TLSv1_2:
            assert session is not None
            assert not session.has_ticket
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.load_verify_locations(site.path)
    old.set_ciphers("ALL:@SECLEVEL=0")
    for bound in ("minimum_version", "maximum_version"):
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            setattr(old, bound, ssl.TLSVersion.TLSv1_1)
    with pytest.raises(ssl.SSLError):
        site.talk(old)


def test_http_2_is_whole(site: Site) -> None:
    """Asked by curl: where from it came, whom it is told about, and what it has sent."""
    said = subprocess.run(
        [
            "curl", "--silent", "--show-error", "--http2", "--cacert", str(site.path),
            "--connect-to", f"shop.example:443:127.0.0.1:{site.front.port}",
            "--write-out", "\n%{http_version} %{http_code}", "--data", "rain",
            "--cookie", "a=b", "https://shop.example/weather/rome?x=1",
        ],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert said.splitlines()[-1] == "2 200"
    seen = site.home.seen[-1]
    assert (seen.method, seen.target, seen.body) == ("POST", "/weather/rome?x=1", b"rain")
    assert (seen.header("Host"), seen.header("Cookie")) == ("shop.example", "a=b")


@pytest.mark.parametrize(
    ("method", "status"), [("GET", 301), ("HEAD", 301), ("POST", 308), ("DELETE", 308)]
)
@pytest.mark.parametrize(
    ("host", "plain"), [("www.shop.example", False), ("shop.example", True), ("127.0.0.1", True)]
)
def test_all_others_are_sent_there(
    site: Site, method: str, status: int, host: str, *, plain: bool
) -> None:
    answer = site.ask(method, "/weather/r%20me?a=%2F", host=host, plain=plain)
    assert answer.status_code == status
    assert answer.headers["Location"] == f"{SITE}/weather/r%20me?a=%2F"
    assert site.home.seen == []


def test_whoever_balances_asks_any_address(site: Site) -> None:
    for plain in (False, True):
        answer = site.ask("GET", "/_strangler/readyz", host="127.0.0.1", plain=plain)
        assert answer.json()["error"] == "NotReady"


def test_whoever_speaks_no_tls_there_is_told_so(site: Site) -> None:
    with socket.create_connection(("127.0.0.1", site.front.port), 10) as peer:
        peer.sendall(b"GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n")
        said = peer.makefile("rb").read()
    assert b" 400 " in said
    assert b'"BadRequest"' in said


@pytest.mark.parametrize(
    ("method", "target", "location"),
    [
        ("GET", "/weather", "/weather/"),
        ("HEAD", "/weather?a=b&c=/", "/weather/?a=b&c=/"),
        ("GET", "/k%C3%A4se", "/k%C3%A4se/"),
        ("GET", "/x%0d%0aA:b/forecasts/today", None),
        ("GET", "/nl/forecasts/today", "/nl/forecasts/today/"),
        ("GET", "//evil.example/forecasts/today", None),
        ("GET", "/weather/rome", None),
        ("POST", "/weather", None),
        ("GET", "/tides", None),
        ("GET", "/elsewhere", None),
    ],
)
def test_a_route_without_its_slash_is_sent_to_the_one_with_it(
    site: Site, method: str, target: str, location: str | None
) -> None:
    answer = site.ask(method, target)
    assert answer.headers.get("Location") == location
    assert answer.status_code in ({301} if location else {200, 400})


def settings(**changes: str | None) -> Settings:
    return Settings(**{"certificate": "/c.pem", "certificate_key": "/k.pem"} | changes)  # type: ignore[arg-type]  # no numbers among them


def test_tls_may_end_in_front_of_it(tmp_path: Path) -> None:
    text = MANIFEST.replace("[edge]\n", f"{EDGE.replace(SITE, 'https://testserver')}")
    with system(tmp_path, text=text) as edge:
        for share, upstream in [(0, edge.monolith), (COHORTS, edge.service)]:
            edge.stand(share)
            answer = edge.ask("GET", "/tides/high")
            assert upstream.seen[-1].header("X-Forwarded-Proto") == "https"
            assert "; Secure" in str(answer.header("Set-Cookie"))
            assert answer.header("Strict-Transport-Security") == "max-age=31536000"


def test_newer_versions_are_told_in_their_words() -> None:
    manifest = parse(MANIFEST.format(**WITHOUT), path=Path("capabilities.toml"), environ={})
    text = compiled(manifest, replace(settings(), version=(1, 25, 1)))["nginx.conf"]
    assert "listen 127.0.0.1:8080 ssl;" in text
    assert "http2 on;" in text
    text = compiled(manifest, settings())["nginx.conf"]
    assert "listen 127.0.0.1:8080 ssl http2;" in text
    assert "http2 on;" not in text


def test_what_does_not_fit_is_refused() -> None:
    for changes, why in [
        ({"certificate_key": None}, "name both files"),
        ({"certificate": "c.pem"}, "absolute path"),
        ({"certificate_key": "/k;pem"}, "absolute path"),
    ]:
        with pytest.raises(CannotCompile, match=why):
            settings(**changes)
    with pytest.raises(CannotCompile, match="there is no certificate"):
        Settings(plain="127.0.0.1:80")
    manifest = parse(MANIFEST.format(**WITHOUT), path=Path("capabilities.toml"), environ={})
    with pytest.raises(CannotCompile, match="is to be sent somewhere"):
        compiled(manifest, settings(plain="127.0.0.1:80"))
    text = MANIFEST.format(**WITHOUT).replace("[edge]\n", EDGE.replace("https:", "http:"))
    manifest = parse(text, path=Path("capabilities.toml"), environ={})
    with pytest.raises(CannotCompile, match="without TLS"):
        compiled(manifest, settings())
