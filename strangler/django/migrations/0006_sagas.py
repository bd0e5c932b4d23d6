from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("strangler", "0005_closed"),
    ]

    operations = [
        migrations.CreateModel(
            name="Saga",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=100)),
                ("key", models.CharField(max_length=200)),
                ("given", models.TextField()),
                ("data", models.TextField()),
                ("steps", models.JSONField()),
                ("state", models.CharField(default="running", max_length=20)),
                ("at", models.PositiveSmallIntegerField(default=0)),
                ("attempts", models.PositiveIntegerField(default=0)),
                ("trying", models.BooleanField(default=False)),
                ("doubted", models.BooleanField(default=False)),
                ("back", models.BooleanField(default=False)),
                ("cause", models.CharField(blank=True, max_length=200)),
                ("reason", models.TextField(blank=True)),
                ("trouble", models.TextField(blank=True)),
                ("deadline", models.FloatField()),
                ("due", models.FloatField(null=True)),
                ("holder", models.CharField(blank=True, max_length=200)),
                ("token", models.PositiveBigIntegerField(default=1)),
                ("entries", models.PositiveIntegerField(default=0)),
                ("context", models.TextField()),
                ("started", models.FloatField()),
                ("changed", models.FloatField()),
                ("ended", models.FloatField(null=True)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("name", "key"), name="strangler_saga_once")
                ],
                "indexes": [
                    models.Index(
                        condition=models.Q(("due__isnull", False)),
                        fields=["due"],
                        name="strangler_saga_due",
                    ),
                    models.Index(fields=["-started"], name="strangler_saga_youngest"),
                    models.Index(
                        condition=models.Q(("ended__isnull", True)),
                        fields=["-started"],
                        name="strangler_saga_open",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="SagaEntry",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("saga", models.UUIDField()),
                ("number", models.PositiveIntegerField()),
                ("at", models.FloatField()),
                ("step", models.CharField(max_length=100)),
                ("event", models.CharField(max_length=20)),
                ("state", models.CharField(max_length=20)),
                ("attempt", models.PositiveIntegerField()),
                ("token", models.PositiveBigIntegerField()),
                ("detail", models.TextField(blank=True)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("saga", "number"), name="strangler_sagaentry_once"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="SagaLock",
            fields=[
                ("name", models.CharField(max_length=200, primary_key=True, serialize=False)),
                ("saga", models.UUIDField(db_index=True)),
            ],
        ),
    ]
