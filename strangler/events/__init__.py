"""What has happened in one capability, told to the others: once, in order, whatever dies.

An event is written into an outbox by the transaction that it speaks of, carried by a relay over a
bus, and handled in a transaction of the listener's own, which remembers it in an inbox. So each
link may repeat itself, and each effect happens once.
"""
