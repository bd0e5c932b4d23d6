"""``python -m extracted.pricing --port 8102``: serve until told to stop."""

from __future__ import annotations

import sys

from extracted.pricing.app import create
from extracted.pricing.checked import RulesErrors
from strangler.fastapi.server import main

if __name__ == "__main__":
    sys.exit(main(create, program="extracted.pricing", port=8102, refusals=(RulesErrors,)))
