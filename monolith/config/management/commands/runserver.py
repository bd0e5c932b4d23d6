"""``manage.py runserver``: a working shop, from the first time on."""

from __future__ import annotations

import os
import socket
from typing import Any

from django.conf import settings
from django.contrib.staticfiles.management.commands import runserver
from django.core.management import call_command
from django.core.servers.basehttp import WSGIServer
from django.db import connection
from django.utils.autoreload import DJANGO_AUTORELOAD_ENV

from monolith.notifications.tasks import deliver_notifications
from monolith.payments.tasks import settle_payments
from strangler.django import conf, timers
from strangler.django.control_plane import control
from strangler.django.events import developing
from strangler.django.ports.wiring import wire
from strangler.ports.trust.keys import generate


class Server(WSGIServer):
    """Sends what it has at once: an answer in two parts would wait 40 ms for the client's ACK."""

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept a connection."""
        connection, address = super().get_request()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection, address


class Command(runserver.Command):
    """Serve the shop; in development, with nothing there yet, set it up first."""

    server_cls = Server

    def handle(self, *args: Any, **options: Any) -> None:
        """Set up what is missing before the first server process starts, then serve."""
        reloaded = os.environ.get(DJANGO_AUTORELOAD_ENV) == "true"
        if settings.DEBUG and not reloaded:
            kit = conf.settings()
            if generate(kit.keys, kit.party):
                wire()
            if settings.EMBEDDED and not connection.introspection.table_names():
                self.stdout.write(f"No database yet: setting up a small shop in {settings.SQLITE}")
                call_command("migrate", verbosity=0)
                control.publish(actor="runserver")
                call_command("seed", stdout=self.stdout)
            connection.close()
        super().handle(*args, **options)

    def inner_run(self, *args: Any, **options: Any) -> None:
        """Serve, and do beside what a worker does in production."""
        timers.begin()
        timers.Timer("notifications", deliver_notifications, every=1.0)
        timers.Timer("payments", settle_payments, every=15.0)
        with developing.carried(f"http://{self.addr}:{self.port}"):
            super().inner_run(*args, **options)
