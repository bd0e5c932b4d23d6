"""Contracts as they are frozen: schemas of ports and faces, and what a change of them means."""
