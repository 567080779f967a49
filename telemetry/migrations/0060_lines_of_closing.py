"""What closing wrote of each device, kept a second time."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("telemetry", "0059_stamps"),
    ]

    operations = [
        migrations.AddField(
            model_name="monthevent",
            name="lines",
            field=models.JSONField(
                db_default={}, default=dict, editable=False, verbose_name="lines"
            ),
        ),
    ]
