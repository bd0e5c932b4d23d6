"""Sagas: business transactions that take longer than one of a database's, and end all the same.

``declare`` is how a team writes one, ``engine`` is what starts and carries it on, ``machine`` says
what becomes of it, ``running`` is the kit's own engine over a ``store``, ``memory`` a store for
tests. Free of frameworks; ``strangler.django.saga`` keeps sagas in a project's database.
"""
