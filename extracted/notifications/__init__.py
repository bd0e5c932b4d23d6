"""Who is told of what, and by which channel, as a service with a database of its own.

A handler writes down what is to be told, and nothing else; a timer delivers it later, outside of
any transaction. ``deciding``, ``rendering``, ``signing`` and the texts are the monolith's own.
"""
