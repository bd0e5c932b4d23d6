"""Agents: who follows the control plane, from where, and how far they have come."""
