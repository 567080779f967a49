from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("telemetry", "0052_see_every_account"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="deadletter",
            index=models.Index(
                condition=models.Q(("handled_at__isnull", False)),
                fields=["mac", "handled_at"],
                name="dead_letter_mac_handled",
            ),
        ),
    ]
