"""The ledger has a row for a batch that was split, too: which messages went into the second part."""

import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("telemetry", "0015_reading_key")]
    operations = [
        migrations.AddField(
            model_name="batch",
            name="second_part",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.IntegerField(),
                null=True,
                size=None,
                verbose_name="second part",
            ),
        ),
    ]
