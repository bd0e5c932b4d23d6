"""What tests know of the users that they make."""

from __future__ import annotations

from strangler.ports.context import Context, User

PASSWORD = "the-fig-grows-around"

FOR_CUSTOMER = Context(user=User("c", ("customer",)))
FOR_STAFF = Context(user=User("s", ("customer", "staff")))
