"""What the pricing service reads from its environment, beside what every service reads."""

from __future__ import annotations

from pathlib import Path

from pydantic_settings import BaseSettings, SettingsConfigDict


class PricingSettings(BaseSettings):
    """``PRICING_RULES`` names another file of rules than the one beside this module."""

    model_config = SettingsConfigDict(env_prefix="PRICING_", env_ignore_empty=True)

    rules: Path = Path(__file__).with_name("rules.toml")
