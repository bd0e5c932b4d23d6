"""How kit parties know one another: keys, and the signed tokens that a context travels in."""
