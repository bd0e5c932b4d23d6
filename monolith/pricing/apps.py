"""Pricing as a Django app: no models; its rules are checked with everything else."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Error, register


class PricingConfig(AppConfig):
    """What a basket costs."""

    name = "monolith.pricing"
    label = "pricing"
    verbose_name = "Pricing"

    def ready(self) -> None:
        """Let ``manage.py check`` read the rules."""
        register(check_rules)


def check_rules(**_: Any) -> list[CheckMessage]:
    """One error for each mistake in the rules."""
    from monolith.pricing.rules import RulesErrors  # noqa: PLC0415 - apps load before modules
    from monolith.pricing.service import current_rules  # noqa: PLC0415 - ditto

    try:
        current_rules()
    except RulesErrors as errors:
        return [
            Error(
                f"{problem.file}: {problem.key}: {problem.found}",
                hint=problem.remedy,
                id="pricing.E001",
            )
            for problem in errors.problems
        ]
    return []
