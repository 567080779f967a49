from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("telemetry", "0038_installations"),
    ]

    operations = [
        migrations.AlterField(
            model_name="finding",
            name="rule",
            field=models.CharField(
                choices=[
                    ("dip", "dip: a few readings far below the others"),
                    ("spike", "spike: a few readings far above the others"),
                    ("reset", "reset: the register began again at zero"),
                    ("too_fast", "faster than the largest plausible rate"),
                    ("silent", "silent: no readings"),
                    ("stuck", "stuck: it stands while its neighbours count"),
                    ("old_clock", "old clock: stamps far from when they came"),
                    ("negative", "negative consumption"),
                    ("late", "late readings"),
                    ("double", "double: a delta counted twice"),
                    ("scale", "scale: 10, 100 or 1,000 times what is usual, or a part"),
                    ("balance", "balance: a main meter and its parts contradict each other"),
                ],
                max_length=10,
                verbose_name="rule",
            ),
        ),
    ]
