from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("ordering", "0002_sagas"),
    ]

    operations = [
        migrations.CreateModel(
            name="Inbox",
            fields=[
                ("event", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("at", models.DateTimeField(db_index=True)),
            ],
            options={"abstract": False},
        ),
        migrations.CreateModel(
            name="OrderVersion",
            fields=[
                ("aggregate", models.TextField(primary_key=True, serialize=False)),
                ("version", models.PositiveBigIntegerField()),
            ],
            options={"abstract": False},
        ),
        migrations.CreateModel(
            name="ParkedEvent",
            fields=[
                ("event", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("key", models.CharField(max_length=255)),
                ("version", models.BigIntegerField()),
                ("type", models.CharField(max_length=255)),
                ("envelope", models.TextField()),
                ("reason", models.TextField(blank=True)),
                ("attempts", models.IntegerField(default=0)),
                ("due", models.DateTimeField(blank=True, null=True)),
                ("at", models.DateTimeField()),
            ],
            options={
                "abstract": False,
                "indexes": [
                    models.Index(
                        fields=["key", "version", "event"], name="ordering_pa_key_ce51dd_idx"
                    ),
                    models.Index(fields=["due"], name="ordering_pa_due_8069c1_idx"),
                ],
            },
        ),
        migrations.CreateModel(
            name="Product",
            fields=[
                ("sku", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("name", models.CharField(blank=True, max_length=200)),
                ("category", models.CharField(blank=True, max_length=255)),
                ("active", models.BooleanField()),
                ("removed", models.BooleanField(default=False)),
                ("version", models.PositiveBigIntegerField()),
            ],
        ),
    ]
