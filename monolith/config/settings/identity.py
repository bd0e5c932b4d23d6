"""Users, passwords and tokens."""

from __future__ import annotations

from datetime import timedelta

from monolith.config.settings.env import DEBUG, VAR, env, required

AUTH_USER_MODEL = "identity.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

IDENTITY = {
    # A JWK set itself, or the path of a file that holds one; its newest key signs.
    "KEYS": required(
        "IDENTITY_KEYS",
        "a file of signing keys; `manage.py rotate_keys` makes one",
        development=str(VAR / "identity" / "keys.json"),
    ),
    "MAKE_MISSING_KEYS": DEBUG,
    "ISSUER": env.str("IDENTITY_ISSUER", default="shop"),
    "AUDIENCE": env.str("IDENTITY_AUDIENCE", default="shop"),
    "ACCESS_LIFETIME": timedelta(seconds=env.int("IDENTITY_ACCESS_SECONDS", default=300)),
    "REFRESH_LIFETIME": timedelta(days=env.int("IDENTITY_REFRESH_DAYS", default=30)),
    # What everybody who was seeded logs in with; in production nobody can.
    "DEMO_PASSWORD": env.str("IDENTITY_DEMO_PASSWORD", default="strangler-fig" if DEBUG else ""),
    "LOGIN_FAILURES": env.int("IDENTITY_LOGIN_FAILURES", default=5),
    "REGISTRATIONS": env.int("IDENTITY_REGISTRATIONS", default=30),
}
