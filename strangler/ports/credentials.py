"""Which names speak of a credential: what is called so is neither passed on nor kept."""

from __future__ import annotations


def speaks_of_one(name: str) -> bool:
    """Does the name of a header, a parameter or a field speak of a credential? In any spelling."""
    plain = "".join(letter for letter in name.lower() if letter not in "-_. ")
    return any(word in plain for word in _WORDS)


_WORDS = (
    "authorization", "cookie", "token", "apikey", "accesskey", "secret", "password", "passwd",
    "session", "csrf", "xsrf", "credential", "jwt", "assertion", "xstrangler",
)  # fmt: skip
