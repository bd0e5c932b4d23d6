"""The control plane, as an agent reaches it: over HTTP, signed with its party's own key."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence

from strangler.ports.calling.wire import Answer, Request
from strangler.ports.context import Context
from strangler.ports.errors import PortError
from strangler.ports.headers import CONTEXT
from strangler.ports.transports.http import Http
from strangler.ports.trust.keys import Keyring
from strangler.ports.trust.tokens import Use, mint
from strangler.routing import news
from strangler.routing.news import BadMessage, Behind, Counts, News, Report

PATIENCE = 10.0
"""Seconds that the control plane has for an answer, beside what it was asked to wait."""
LAST = 2.0
"""The same for an agent that ends."""


class ControlAway(Exception):
    """The control plane does not answer, or not as it should; says what is known."""


class Control:
    """Who is asked for news, and told."""

    def __init__(self, urls: Sequence[str], keyring: Keyring, *, audience: str) -> None:
        """``audience`` is the party that the control plane is.

        Raises:
            ValueError: a URL is not an absolute one of http or https.
        """
        self._http = Http(urls)
        self._keyring = keyring
        self._audience = audience

    @property
    def party(self) -> str:
        """Who asks."""
        return self._keyring.party

    def follow(self, report: Report) -> News | None:
        """Report, and hear what is news; None if nothing is.

        Raises:
            ControlAway: there is no answer.
        """
        answer = self._told("follow", news.FOLLOW, news.encode(report), _patience(report))
        try:
            return news.news(answer.body) if answer.status == 200 else None
        except BadMessage as error:
            raise ControlAway(f"its answer is no news: {error}") from error

    def count(self, counts: Counts) -> Behind | None:
        """Tell what the edge has answered; None if it was counted, now or before.

        Raises:
            ControlAway: nobody knows whether that was heard.
        """
        answer = self._told("count", news.COUNT, news.encode(counts), PATIENCE)
        try:
            return news.behind(answer.body) if answer.status == 200 else None
        except BadMessage as error:
            raise ControlAway(f"its answer is none: {error}") from error

    def close(self) -> None:
        """Close what is idle."""
        self._http.close()

    def _told(self, action: str, path: str, body: bytes, patience: float) -> Answer:
        token = mint(
            self._keyring,
            Context(hops=1),
            audience=self._audience,
            use=Use.AGENT,
            action=action,
            once=True,
            body=body,
            target=path,
        )
        headers = {"Content-Type": "application/json", CONTEXT: token}
        deadline = time.monotonic() + patience
        try:
            answer = self._http.exchange(
                Request(path, headers, body, repeatable=False, deadline=deadline)
            )
        except PortError as error:
            raise ControlAway(str(error)) from error
        if answer.status not in {200, 204}:
            raise ControlAway(f"it answers {answer.status}: {_said(answer.body)}")
        return answer


def _patience(report: Report) -> float:
    return LAST if report.leaves else PATIENCE + report.wait


def _said(body: bytes) -> str:
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return "and says nothing that an agent understands; is this the control plane's URL?"
