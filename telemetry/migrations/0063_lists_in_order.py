"""The admin lists these in the order of their time: the newest page is read from an index."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("telemetry", "0062_scope_of_bands"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="alarm",
            index=models.Index(fields=["-opened_at", "-id"], name="alarm_opened"),
        ),
        migrations.AddIndex(
            model_name="certificate",
            index=models.Index(fields=["-issued_at", "-id"], name="certificate_issued"),
        ),
        migrations.AddIndex(
            model_name="edit",
            index=models.Index(fields=["-requested_at", "-id"], name="edit_requested"),
        ),
        migrations.AddIndex(
            model_name="enrolment",
            index=models.Index(fields=["-requested_at", "-id"], name="enrolment_requested"),
        ),
        migrations.AddIndex(
            model_name="finding",
            index=models.Index(fields=["-since", "-id"], name="finding_since"),
        ),
    ]
