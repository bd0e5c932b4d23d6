"""How what is to be told is sent: claimed, sent, and marked.

Claiming and marking are short transactions; outside of them it is asked whom to tell, and sent.
Whoever claims leaves a token, and only by that is marked what became of it: one who was given up
for dead, and comes back, marks nothing. What somebody has sent and died before marking is sent once
more, when the lease has ended, with the same id: by that a receiver knows it.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import select, update

from contracts.identity import Identity, UnknownUser
from contracts.notifications import Channel, Kind, NotificationState
from extracted.notifications import webhooks
from extracted.notifications.deciding import ATTEMPTS, pause
from extracted.notifications.failures import NeverSent, NotSent
from extracted.notifications.mailing import Mailer
from extracted.notifications.models import Notification, Preference
from extracted.notifications.moments import now
from extracted.notifications.rendering import body, mail
from strangler.ports.bind import bind
from strangler.ports.errors import PortError
from strangler.sqlalchemy.database import Database

LEASE = timedelta(minutes=2)
"""For so long it is left to whoever is sending it: longer than that may take."""
REASON = 300

identity = bind(Identity)
log = logging.getLogger("extracted.notifications")


class Deliverer:
    """Sends what is due. Any number of processes may have one: they share the work."""

    def __init__(self, database: Database, mailer: Mailer, *, lease: timedelta = LEASE) -> None:
        self._database = database
        self._mailer = mailer
        self._lease = lease

    def deliver_next(self) -> bool:
        """Send what has been due for longest; False if nothing is due."""
        row = self.claim()
        if row is None:
            return False
        try:
            self.send(row)
        except NeverSent as error:
            self._give_up(row, error)
        except NotSent as error:
            self._put_off(row, error)
        except PortError as error:
            self._put_off(row, NotSent("who it is for can't be found out now", error))
        except Exception as error:  # whatever it is: the others can be sent
            log.exception("notification %s can't be sent", row.id)
            self._put_off(row, NotSent("it could not be sent", type(error).__name__))
        else:
            self._mark(row, state=NotificationState.SENT, due_at=None, sent_at=now(), reason="")
        return True

    def claim(self) -> Notification | None:
        """What has been due for longest, and is ours for a while; None if nothing is due.

        However many ask, each is given to one.
        """
        moment = now()
        due = (
            select(Notification)
            .where(Notification.due_at <= moment)
            .order_by(Notification.attempts, Notification.due_at)
            .limit(1)
        )
        with self._database.reading() as session:
            if session.scalars(due).first() is None:  # on SQLite nobody else would write meanwhile
                return None
        with self._database.transaction() as session:
            row = session.scalars(due.with_for_update(skip_locked=True)).first()
            if row is not None:
                row.token, row.due_at, row.attempts = (
                    uuid4(),
                    moment + self._lease,
                    row.attempts + 1,
                )
        return row

    def send(self, row: Notification) -> None:
        """Send it, as it would be sent by anybody at any time.

        Raises:
            NotSent, NeverSent: see each of them.
            PortError: nobody says who it is for.
        """
        if row.attempts > ATTEMPTS:
            raise NeverSent("whoever has tried to send it has never come to an end")
        if row.channel == Channel.WEBHOOK:
            self._post(row)
        else:
            self._mail(row)

    def _mail(self, row: Notification) -> None:
        try:
            account = identity.account(row.customer)
        except UnknownUser as error:
            raise NeverSent("there is no such customer any more") from error
        if not account.email:
            raise NeverSent("this customer has no address")
        written = mail(Kind(row.kind), name=account.username, order=row.order_id, data=row.data)
        self._mailer.send(written, to=account.email, message=row.id)

    def _post(self, row: Notification) -> None:
        with self._database.reading() as session:
            preference = session.get(Preference, row.customer)
        if preference is None or not preference.webhook:
            raise NeverSent("this customer does not want to be told so any more")
        said = body(
            Kind(row.kind),
            order=row.order_id,
            customer=row.customer,
            at=row.happened_at,
            data=row.data,
        )
        webhooks.send(preference.webhook, said, secret=preference.secret, message=row.id)

    def _put_off(self, row: Notification, error: NotSent) -> None:
        left = pause(row.attempts)
        if left is None:
            self._give_up(row, error)
            return
        log.warning("notification %s is not sent yet: %s", row.id, error)
        self._mark(
            row,
            state=NotificationState.FAILED,
            due_at=now() + left,
            reason=error.reason[:REASON],
        )

    def _give_up(self, row: Notification, error: NotSent) -> None:
        log.error("notification %s is never sent: %s", row.id, error)
        self._mark(row, state=NotificationState.GIVEN_UP, due_at=None, reason=error.reason[:REASON])

    def _mark(self, row: Notification, *, state: NotificationState, **changes: Any) -> None:
        """Write down what became of it, unless somebody else is at it by now."""
        ours = update(Notification).where(
            Notification.id == row.id,
            Notification.token == row.token,
            Notification.due_at.is_not(None),
        )
        with self._database.transaction() as session:
            marked = session.connection().execute(
                ours.values(token=None, state=state.value, **changes)
            )
        if not marked.rowcount:
            log.warning(
                "notification %s was taken over: what became of it is theirs to say", row.id
            )
