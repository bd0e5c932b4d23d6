"""``python -m extracted.catalog --port 8101`` serves; ``… migrate`` updates its database."""

from __future__ import annotations

import sys

from extracted.catalog.app import create
from extracted.catalog.migrating import main as migrate
from strangler.fastapi.server import main
from strangler.sqlalchemy.database import NoDatabase

if __name__ == "__main__":
    if sys.argv[1:] == ["migrate"]:
        sys.exit(migrate())
    sys.exit(main(create, program="extracted.catalog", port=8101, refusals=(NoDatabase,)))
