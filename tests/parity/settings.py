"""The shop's own settings, but for a catalog that knows the corpus."""

from monolith.config.settings import *  # noqa: F403 - a settings module is one namespace
from monolith.config.settings import STRANGLER as SHOP

STRANGLER = {**SHOP, "WIRING": "tests.parity.wiring"}
