from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("strangler", "0004_agents"),
    ]

    operations = [
        migrations.AddField(
            model_name="capabilitystate",
            name="closed",
            field=models.BooleanField(default=False),
        ),
    ]
