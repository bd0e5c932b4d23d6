from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="CapabilityState",
            fields=[
                ("name", models.CharField(max_length=100, primary_key=True, serialize=False)),
                ("stage", models.CharField(default="monolith", max_length=20)),
                ("percent", models.PositiveSmallIntegerField(default=0)),
                ("held", models.BooleanField(default=False)),
                ("killed", models.BooleanField(default=False)),
                ("since", models.DateTimeField()),
                ("since_revision", models.PositiveBigIntegerField()),
                ("revision", models.PositiveBigIntegerField()),
            ],
        ),
        migrations.CreateModel(
            name="ControlPlane",
            fields=[
                (
                    "id",
                    models.PositiveSmallIntegerField(default=1, primary_key=True, serialize=False),
                ),
                ("revision", models.PositiveBigIntegerField(default=0)),
            ],
        ),
        migrations.CreateModel(
            name="Change",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("revision", models.PositiveBigIntegerField()),
                ("capability", models.CharField(blank=True, db_index=True, max_length=100)),
                ("action", models.CharField(max_length=20)),
                ("actor", models.CharField(max_length=200)),
                ("at", models.DateTimeField()),
                ("reason", models.TextField(blank=True)),
                ("forced", models.BooleanField(default=False)),
                ("before", models.JSONField(default=dict)),
                ("after", models.JSONField(default=dict)),
                ("evidence", models.JSONField(default=list)),
            ],
            options={
                "ordering": ("revision", "capability"),
                "constraints": [
                    models.UniqueConstraint(
                        fields=("revision", "capability"), name="strangler_change_once"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Delivery",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("issuer", models.CharField(max_length=100)),
                ("token", models.CharField(max_length=100)),
                ("expires", models.FloatField(db_index=True)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("issuer", "token"), name="strangler_delivery_once"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Observation",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("capability", models.CharField(max_length=100)),
                ("since_revision", models.PositiveBigIntegerField()),
                ("arm", models.CharField(max_length=10)),
                ("kind", models.CharField(max_length=10)),
                ("bucket", models.PositiveSmallIntegerField()),
                ("requests", models.PositiveBigIntegerField(default=0)),
                ("failures", models.PositiveBigIntegerField(default=0)),
                ("fallbacks", models.PositiveBigIntegerField(default=0)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("capability", "since_revision", "arm", "kind", "bucket"),
                        name="strangler_observation_once",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="ShadowDifference",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("capability", models.CharField(max_length=100)),
                ("since_revision", models.PositiveBigIntegerField()),
                ("signature", models.CharField(max_length=64)),
                ("method", models.CharField(max_length=10)),
                ("route", models.CharField(max_length=200)),
                ("monolith_status", models.PositiveSmallIntegerField()),
                ("service_status", models.PositiveSmallIntegerField()),
                ("path", models.CharField(max_length=500)),
                ("kind", models.CharField(max_length=20)),
                ("count", models.PositiveBigIntegerField(default=0)),
                ("examples", models.JSONField(default=list)),
                ("explained", models.TextField(blank=True)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("capability", "since_revision", "signature"),
                        name="strangler_shadowdifference_once",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="ShadowTally",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("capability", models.CharField(max_length=100)),
                ("since_revision", models.PositiveBigIntegerField()),
                ("method", models.CharField(max_length=10)),
                ("route", models.CharField(max_length=200)),
                ("outcome", models.CharField(max_length=20)),
                ("count", models.PositiveBigIntegerField(default=0)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("capability", "since_revision", "method", "route", "outcome"),
                        name="strangler_shadowtally_once",
                    )
                ],
            },
        ),
    ]
