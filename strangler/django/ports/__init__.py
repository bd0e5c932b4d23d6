"""Ports within Django: how this process is wired, where calls go, and who answers from outside."""
