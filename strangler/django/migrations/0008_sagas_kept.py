from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("strangler", "0007_events"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="saga",
            index=models.Index(
                condition=models.Q(("ended__isnull", False)),
                fields=["ended"],
                name="strangler_saga_ended",
            ),
        ),
    ]
