"""The service of the http bench, as every service of ours is put together."""

from __future__ import annotations

import sys

from strangler.fastapi.app import service
from strangler.fastapi.server import run
from tests.bench.parts import Parts, PartsService

if __name__ == "__main__":
    run(service(Parts, PartsService()), host="127.0.0.1", port=int(sys.argv[1]), drain=0)
