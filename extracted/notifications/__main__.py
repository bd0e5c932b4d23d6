"""``python -m extracted.notifications --port 8108``: serve; ``… migrate``: update the schema."""

from __future__ import annotations

import sys

from extracted.notifications.app import create
from extracted.notifications.migrating import main as migrate
from strangler.fastapi.server import main
from strangler.sqlalchemy.database import NoDatabase

if __name__ == "__main__":
    if sys.argv[1:] == ["migrate"]:
        sys.exit(migrate())
    sys.exit(main(create, program="extracted.notifications", port=8108, refusals=(NoDatabase,)))
