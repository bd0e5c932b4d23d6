"""The mailbox keeps what arrived, by which arm, and nothing of what was broken off."""

from __future__ import annotations

import smtplib
import socket
from email.message import EmailMessage

from demo.postbox import Arrived, Postbox
from strangler.ladder import Arm

ORDER = "a1000000-0000-4000-8000-000000000001"


def send(url: str, message: str, subject: str) -> None:
    mail = EmailMessage()
    mail["Message-ID"], mail["Subject"] = message, subject
    mail.set_content(".a line that begins with a dot\n")
    host, _, port = url.removeprefix("smtp://").partition(":")
    with smtplib.SMTP(host, int(port), timeout=20) as connection:
        connection.sendmail("shop@shop.invalid", ["ann@example.com"], mail.as_bytes())


def test_every_copy_of_a_mail_counts_and_who_has_sent_it():
    confirmed = f"Your order {ORDER} is confirmed"
    with Postbox() as postbox:
        send(postbox.url(Arm.MONOLITH), "<1@shop>", confirmed)
        send(postbox.url(Arm.SERVICE), "<1@shop>", confirmed)
        send(postbox.url(Arm.SERVICE), "<2@shop>", "Your order is lost")
        arrived = postbox.arrived
    assert arrived == [
        Arrived("<1@shop>", confirmed, "monolith"),
        Arrived("<1@shop>", confirmed, "service"),
        Arrived("<2@shop>", "Your order is lost", "service"),
    ]
    assert [mail.confirmed for mail in arrived] == [ORDER, ORDER, ""]


def test_what_a_sender_that_dies_has_not_finished_never_came():
    with Postbox() as postbox:
        host, _, port = postbox.url(Arm.SERVICE).removeprefix("smtp://").partition(":")
        with socket.create_connection((host, int(port)), 20) as sender:
            sender.sendall(b"EHLO me\r\nDATA\r\nSubject: half of it\r\n")
        send(postbox.url(Arm.SERVICE), "<2@shop>", "whole")
        assert [mail.subject for mail in postbox.arrived] == ["whole"]
