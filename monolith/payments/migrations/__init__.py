"""How payments' tables have come to be what they are."""
