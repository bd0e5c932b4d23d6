"""A real NGINX for tests, with any configuration inside ``http { server { … } }``."""

from __future__ import annotations

import contextlib
import os
import socket

from tests.servers import Server, installed_nginx

_CONFIGURATION = """
daemon off;
{user}
worker_processes 1;
pid nginx.pid;
error_log error.log;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    {http}
    server {{
        listen 127.0.0.1:{port};
        listen unix:{folder}/socket;
        keepalive_requests 100000;
        {server}
    }}
}}
"""


class Nginx(Server):
    """An NGINX with its files in a folder of its own."""

    def __init__(self, *, http: str, server: str, program: str | None = None) -> None:
        super().__init__()
        self._http = http
        self._server = server
        self._program = program

    @property
    def program(self) -> str:
        """The NGINX that is run, by default the one that is installed."""
        return self._program or installed_nginx()

    def prepare(self) -> None:
        """See that there is an NGINX at all."""
        assert self.program

    def command(self) -> list[str]:
        """How the server is started."""
        path = self.folder / "nginx.conf"
        path.write_text(
            _CONFIGURATION.format(
                user="user root;" if os.geteuid() == 0 else "",
                http=self._http,
                server=self._server,
                port=self.port,
                folder=self.folder,
            ),
            encoding="utf-8",
        )
        return [self.program, "-p", str(self.folder), "-c", str(path), "-e", "error.log"]

    def answers(self) -> bool:
        """Whether this server listens on the socket in its own folder."""
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as own:
            own.connect(str(self.folder / "socket"))
            return True
        return False
