"""Which arm answers a call: one pure decision, and the folder on disk that it asks.

Import from the modules. This file imports nothing, because contracts load ``Kind`` through it.
"""
