"""Where clients come in: TLS, the site's own name, and where all others are sent."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from strangler.manifest import Manifest
from strangler.routing.nginx.settings import HTTP2, CannotCompile, Settings
from strangler.routing.nginx.writing import Text, block, plain

_TLS = Text("""
    %{http2}
    ssl_certificate %{certificate};
    ssl_certificate_key %{key};
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305;
    ssl_prefer_server_ciphers off;
    ssl_session_cache shared:strangler:10m;
    ssl_session_timeout 1d;
    # A ticket's key lives as long as NGINX does, and would open whatever was recorded meanwhile.
    ssl_session_tickets off;
    error_page 497 = /_strangler/edge/malformed; # no TLS at all
""")
READY = Text("""
    # For whoever sends clients here: this edge knows where to.
    location = /_strangler/readyz {
        default_type application/json;
        open_file_cache off;
        if (-f %{table}/current/revision) {
            return 200 '{"status": "ready"}';
        }
        return 503 '{"error": "NotReady", "message": "There is no routing table yet.", "detail": {}}';
    }
""")
_SENT = Text("""
    %{ready}
    # A command is to be sent again as it was, which 301 does not say.
    location / {
        if ($strangler_unsafe) {
            return 308 %{site}$request_uri;
        }
        return 301 %{site}$request_uri;
    }
""")
_HSTS = plain("""
    map "$scheme:$upstream_http_strict_transport_security" $strangler_hsts {
        volatile;
        default "";
        "https:" "max-age=%s";
    }
""")


def scheme(manifest: Manifest, settings: Settings) -> str:
    """By what clients have come: by TLS, too, if that ends in front of NGINX."""
    elsewhere = (manifest.edge.site or "").startswith("https:") and not settings.certificate
    return "$strangler_scheme" if elsewhere else "$scheme"


def inside_http(manifest: Manifest, settings: Settings) -> Iterator[str]:
    """For how long browsers are to come by TLS only, where an answer does not say so itself."""
    if scheme(manifest, settings) != "$scheme":
        yield 'map "" $strangler_scheme { default https; } # it ends in front of this server'
    if manifest.edge.hsts is not None:
        yield _HSTS % round(manifest.edge.hsts)


def told(manifest: Manifest) -> Iterator[str]:
    """That this is so."""
    if manifest.edge.hsts is not None:
        yield "add_header Strict-Transport-Security $strangler_hsts always;"


def servers(manifest: Manifest, settings: Settings) -> str:
    """Every ``server { … }`` of an NGINX that has no others.

    Raises:
        CannotCompile: what the manifest says of the site, and what the settings say, disagree.
    """
    site, tls = manifest.edge.site, bool(settings.certificate)
    if tls and site and not site.startswith("https:"):
        raise CannotCompile(f"edge.site: {site} is reached without TLS, and there is a certificate")
    name = [f"server_name {urlsplit(site).hostname};"] if site else []
    listen = f"listen {settings.listen}%s{_spoken(settings)};"
    made = [block("server", [listen % "", *name, *_tls(settings), "include server.conf;"])]
    if site:
        other = "\n# Whoever comes by another name is sent to the right one.\n"
        lines = [listen % " default_server", *_tls(settings), *_sent(site, settings)]
        made.append(other + block("server", lines))
    if settings.plain:
        if not site:
            raise CannotCompile(
                "whoever comes without TLS is to be sent somewhere: write site = "
                '"https://shop.example" in [edge]'
            )
        other = "\n# Whoever comes without TLS is sent there.\n"
        lines = [f"listen {settings.plain};", *_sent(site, settings)]
        made.append(other + block("server", lines))
    return "\n".join(made)


def _spoken(settings: Settings) -> str:
    if not settings.certificate:
        return ""
    return " ssl" if settings.version >= HTTP2 else " ssl http2"


def _tls(settings: Settings) -> Iterator[str]:
    if settings.certificate:
        yield _TLS.filled(
            http2="http2 on;" if settings.version >= HTTP2 else "",
            certificate=settings.certificate,
            key=settings.certificate_key,
        )


def _sent(site: str, settings: Settings) -> Iterator[str]:
    yield _SENT.filled(ready=READY.filled(table=settings.table), site=site)
