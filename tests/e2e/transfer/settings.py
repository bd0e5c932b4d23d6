"""The shop's settings, with a few views and jobs that no shop should have."""

# ruff: noqa: F403 - settings are built on settings

from __future__ import annotations

from monolith.config.settings import *

ROOT_URLCONF = "tests.e2e.transfer.urls"
