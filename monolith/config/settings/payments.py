"""Who takes the money: a provider by HTTP, or, without one, the sandbox in this process."""

from __future__ import annotations

from monolith.config.settings.env import VAR, env

PAYMENTS = {
    "PROVIDER_URL": env.str("PAYMENTS_PROVIDER_URL", default=""),
    # What the provider signs webhooks with; several while it changes. Without any, none is heard.
    "WEBHOOK_SECRETS": env.list("PAYMENTS_WEBHOOK_SECRETS", default=[]),
    "SANDBOX_BOOKS": VAR / "payments" / "sandbox.sqlite3",
}
