"""The database of a service with tables of its own, by SQLAlchemy and Alembic.

::

    database = Database(url, named="CATALOG_DATABASE_URL")
    with database.transaction() as session:        # at the rim; what runs inside never commits
        session.add(...)

    schema = Schema(Path(__file__).with_name("migrations"), program="extracted.catalog")
    schema.migrate(database)
    service(..., checks={"database": schema.check(database)})
"""
