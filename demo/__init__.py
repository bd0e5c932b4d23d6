"""The film: a capability of a running monolith moves into a service and back, under traffic."""
