"""Shadow: the service answers the same queries as the monolith, and nobody sees its answers.

``compare`` says how two answers differ, ``noise`` which differences mean nothing, ``judge`` asks
whoever must be asked and says how one comparison ended, ``report`` groups and redacts what was
found, ``tee`` keeps all of it out of the way of the requests. Free of frameworks and of storage.
"""
