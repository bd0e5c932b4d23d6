"""A payment provider to try things with: it keeps books, and can be told to fail.

``python -m monolith.payments.sandbox`` serves it over HTTP, as a process of its own; without one,
the monolith asks the same core in process. It knows nothing of Django, nor of the shop.

======  ================================  ==========================================================
POST    /payments                         authorise; the header Idempotency-Key is the payment's key
POST    /payments/<key>/capture           take what was put aside
POST    /payments/<key>/refund            give back, or let go; a key never seen is remembered
GET     /payments/<key>                   how it stands
GET     /books                            what was charged and refunded under each key
GET     /faults, PUT /faults              what goes wrong: see ``faults``
GET     /healthz                          204
======  ================================  ==========================================================
"""
