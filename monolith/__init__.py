"""The reference monolith: a shop, one Django app per context, and ``config`` which joins them."""
