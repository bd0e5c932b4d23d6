"""The shop's own wiring, but for a catalog that knows the corpus."""

from __future__ import annotations

from contracts.catalog import Catalog
from monolith.config import wiring as shop
from strangler.ports.serve import serve
from tests.parity.corpus import CorpusCatalog

identify = shop.identify

serve(Catalog, CorpusCatalog())
