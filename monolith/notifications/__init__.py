"""The notifications context: who is told of what, and by which channel.

A handler writes down what is to be told, and nothing else; whoever delivers does that later,
outside of any transaction. ``deciding``, ``rendering`` and ``signing`` are plain Python: what they
say is the same wherever they run.
"""
