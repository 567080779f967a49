from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("telemetry", "0043_virtual_meters"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="batch",
            index=models.Index(
                condition=models.Q(("source", "import")),
                fields=["received_at"],
                name="batch_imported",
            ),
        ),
    ]
