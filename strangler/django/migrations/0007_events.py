from typing import Any

from django.db import migrations, models

QUEUE = """
    ALTER TABLE strangler_outbox SET (
        autovacuum_vacuum_scale_factor = 0,
        autovacuum_vacuum_threshold = 20000,
        autovacuum_vacuum_insert_threshold = -1,
        autovacuum_analyze_scale_factor = 0,
        autovacuum_analyze_threshold = 1000000
    )
"""


def clean_soon(_apps: Any, schema_editor: Any) -> None:
    """Its rows live for moments: what is dead of them is not to wait for a part of the table."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(QUEUE)


class Migration(migrations.Migration):
    dependencies = [
        ("strangler", "0006_sagas"),
    ]

    operations = [
        migrations.CreateModel(
            name="Backlog",
            fields=[
                (
                    "id",
                    models.PositiveSmallIntegerField(default=1, primary_key=True, serialize=False),
                ),
                ("waiting", models.BigIntegerField(default=0)),
                ("position", models.BigIntegerField(default=0)),
                ("at", models.DateTimeField()),
            ],
            options={
                "db_table": "strangler_backlog",
            },
        ),
        migrations.CreateModel(
            name="RelayLease",
            fields=[
                ("partition", models.SmallIntegerField(primary_key=True, serialize=False)),
                ("holder", models.TextField(blank=True, default="")),
                ("token", models.BigIntegerField(default=0)),
                ("until", models.DateTimeField(null=True)),
            ],
            options={
                "db_table": "strangler_relay",
            },
        ),
        migrations.CreateModel(
            name="RelayProcess",
            fields=[
                ("holder", models.TextField(primary_key=True, serialize=False)),
                ("until", models.DateTimeField()),
            ],
            options={
                "db_table": "strangler_relay_process",
            },
        ),
        migrations.CreateModel(
            name="Outbox",
            fields=[
                ("aggregatetype", models.TextField()),
                ("aggregateid", models.TextField()),
                ("version", models.BigIntegerField()),
                ("type", models.TextField()),
                ("payload", models.TextField()),
                ("schema", models.IntegerField()),
                ("capability", models.TextField()),
                ("partition", models.SmallIntegerField()),
                ("trace", models.TextField(null=True)),
                ("at", models.DateTimeField()),
                ("position", models.BigAutoField(primary_key=True, serialize=False)),
                ("id", models.UUIDField(unique=True)),
            ],
            options={
                "db_table": "strangler_outbox",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("aggregatetype", "aggregateid", "version"),
                        name="strangler_outbox_once",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="OutboxParked",
            fields=[
                ("aggregatetype", models.TextField()),
                ("aggregateid", models.TextField()),
                ("version", models.BigIntegerField()),
                ("type", models.TextField()),
                ("payload", models.TextField()),
                ("schema", models.IntegerField()),
                ("capability", models.TextField()),
                ("partition", models.SmallIntegerField()),
                ("trace", models.TextField(null=True)),
                ("at", models.DateTimeField()),
                ("position", models.BigIntegerField(primary_key=True, serialize=False)),
                ("id", models.UUIDField(unique=True)),
                ("reason", models.TextField()),
                ("parked_at", models.DateTimeField()),
                ("dropped", models.TextField(blank=True, default="")),
            ],
            options={
                "db_table": "strangler_outbox_parked",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("aggregatetype", "aggregateid", "version"),
                        name="strangler_outbox_parked_once",
                    )
                ],
            },
        ),
        migrations.RunPython(clean_soon, migrations.RunPython.noop),
    ]
