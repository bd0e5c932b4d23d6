"""Transfer on PostgreSQL; the extra ``strangler[transfer]`` has what it needs."""

from strangler.transfer.postgres.door import PostgresDoor
from strangler.transfer.postgres.session import PostgresDatabase

__all__ = ["PostgresDatabase", "PostgresDoor"]
