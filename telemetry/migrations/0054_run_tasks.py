from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("telemetry", "0053_dead_letter_handled"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="taskrun",
            options={
                "ordering": ["name"],
                "permissions": [("run_taskrun", "Can run scheduled tasks at once")],
                "verbose_name": "task run",
                "verbose_name_plural": "task runs",
            },
        ),
    ]
