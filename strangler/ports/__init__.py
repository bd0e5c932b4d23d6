"""Ports: one call, here or there.

``declare`` is what contracts import; ``bind`` is what callers import; ``serve`` is what the side
that answers imports. Nothing is re-exported here, so that a contract loads nothing else.
"""
