"""Reports that are sent by themselves; groups of devices."""

import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("telemetry", "0012_api_tokens"),
    ]

    operations = [
        migrations.AddField(
            model_name="device",
            name="group",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="Reports add up devices of a group: a building, a line, a tenant.",
                max_length=50,
                verbose_name="group",
            ),
        ),
        migrations.CreateModel(
            name="ReportSchedule",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=100, verbose_name="name")),
                (
                    "grouping",
                    models.CharField(
                        choices=[
                            ("device", "device"),
                            ("group", "group"),
                            ("gateway", "gateway"),
                            ("kind", "kind"),
                            ("account", "account"),
                        ],
                        default="device",
                        max_length=10,
                        verbose_name="lines by",
                    ),
                ),
                (
                    "format",
                    models.CharField(
                        choices=[("xlsx", "XLSX"), ("csv", "CSV")],
                        default="xlsx",
                        max_length=5,
                        verbose_name="format",
                    ),
                ),
                (
                    "days_after",
                    models.PositiveSmallIntegerField(
                        default=1,
                        help_text="Late readings of the month can still come in until then.",
                        validators=[
                            django.core.validators.MinValueValidator(0),
                            django.core.validators.MaxValueValidator(27),
                        ],
                        verbose_name="days after the month's end",
                    ),
                ),
                (
                    "language",
                    models.CharField(default="en", max_length=10, verbose_name="language"),
                ),
                ("is_active", models.BooleanField(default=True, verbose_name="active")),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        verbose_name="created at",
                    ),
                ),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="report_schedules",
                        to="telemetry.account",
                        verbose_name="account",
                    ),
                ),
                (
                    "created_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="created by",
                    ),
                ),
                (
                    "recipients",
                    models.ManyToManyField(
                        db_table="report_recipient",
                        related_name="report_schedules",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="recipients",
                    ),
                ),
            ],
            options={
                "verbose_name": "report schedule",
                "verbose_name_plural": "report schedules",
                "db_table": "report_schedule",
                "ordering": ["name", "id"],
            },
        ),
        migrations.CreateModel(
            name="ReportDelivery",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("month", models.DateField(verbose_name="month")),
                ("tries", models.PositiveIntegerField(default=0, verbose_name="tries")),
                ("tried_at", models.DateTimeField(null=True, verbose_name="last try")),
                ("sent_at", models.DateTimeField(null=True, verbose_name="sent at")),
                ("sent_to", models.JSONField(default=list, verbose_name="sent to")),
                ("error", models.TextField(blank=True, default="", verbose_name="error")),
                (
                    "schedule",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="deliveries",
                        to="telemetry.reportschedule",
                        verbose_name="report schedule",
                    ),
                ),
            ],
            options={
                "verbose_name": "report delivery",
                "verbose_name_plural": "report deliveries",
                "db_table": "report_delivery",
                "ordering": ["-month", "schedule"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("schedule", "month"), name="report_delivery_once"
                    )
                ],
            },
        ),
    ]
