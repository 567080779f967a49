"""Alarms, and how far each device was judged."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("telemetry", "0007_account_in_keys"),
    ]

    operations = [
        migrations.CreateModel(
            name="Alarm",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[("low", "below the limit"), ("high", "above the limit")],
                        max_length=10,
                        verbose_name="kind",
                    ),
                ),
                (
                    "limit",
                    models.DecimalField(
                        db_column="limit_value",
                        decimal_places=4,
                        max_digits=15,
                        verbose_name="limit",
                    ),
                ),
                (
                    "value",
                    models.DecimalField(
                        decimal_places=4, max_digits=15, verbose_name="worst value"
                    ),
                ),
                ("opened_at", models.DateTimeField(verbose_name="since")),
                ("last_beyond_at", models.DateTimeField(verbose_name="last beyond at")),
                ("closed_at", models.DateTimeField(null=True, verbose_name="until")),
                (
                    "ending",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("reading", "within the limit again"),
                            ("limit", "limit changed or removed"),
                            ("inactive", "device deactivated"),
                            ("moved", "device moved to another account"),
                        ],
                        db_default="",
                        default="",
                        max_length=10,
                        verbose_name="ended by",
                    ),
                ),
                (
                    "acknowledged_at",
                    models.DateTimeField(null=True, verbose_name="acknowledged at"),
                ),
                (
                    "note",
                    models.TextField(
                        blank=True, db_default="", default="", max_length=500, verbose_name="note"
                    ),
                ),
                (
                    "changed_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        verbose_name="changed at",
                    ),
                ),
            ],
            options={
                "verbose_name": "alarm",
                "verbose_name_plural": "alarms",
                "db_table": "alarm",
                "ordering": ["-opened_at", "-id"],
            },
        ),
        migrations.CreateModel(
            name="AlarmCursor",
            fields=[
                (
                    "device",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to="telemetry.device",
                    ),
                ),
                ("account_id", models.BigIntegerField()),
                ("low", models.DecimalField(decimal_places=4, max_digits=15, null=True)),
                ("high", models.DecimalField(decimal_places=4, max_digits=15, null=True)),
                ("judged_until", models.DateTimeField()),
            ],
            options={
                "db_table": "alarm_cursor",
            },
        ),
        migrations.AddIndex(
            model_name="device",
            index=models.Index(
                condition=models.Q(
                    ("alarm_low__isnull", False), ("alarm_high__isnull", False), _connector="OR"
                ),
                fields=["id"],
                name="device_with_limits",
            ),
        ),
        migrations.AddField(
            model_name="alarm",
            name="account",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="alarms",
                to="telemetry.account",
                verbose_name="account",
            ),
        ),
        migrations.AddField(
            model_name="alarm",
            name="acknowledged_by",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
                verbose_name="acknowledged by",
            ),
        ),
        migrations.AddField(
            model_name="alarm",
            name="device",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="alarms",
                to="telemetry.device",
                verbose_name="device",
            ),
        ),
        migrations.AddIndex(
            model_name="alarm",
            index=models.Index(
                models.F("account"),
                models.OrderBy(models.F("opened_at"), descending=True),
                name="alarm_account_opened",
            ),
        ),
        migrations.AddIndex(
            model_name="alarm",
            index=models.Index(
                condition=models.Q(("closed_at", None)),
                fields=["account"],
                name="alarm_account_open",
            ),
        ),
        migrations.AddIndex(
            model_name="alarm",
            index=models.Index(
                models.F("account"),
                models.OrderBy(models.F("changed_at"), descending=True),
                name="alarm_account_changed",
            ),
        ),
        migrations.AddIndex(
            model_name="alarm",
            index=models.Index(
                models.F("device"),
                models.OrderBy(models.F("opened_at"), descending=True),
                name="alarm_device_opened",
            ),
        ),
        migrations.AddConstraint(
            model_name="alarm",
            constraint=models.UniqueConstraint(
                condition=models.Q(("closed_at", None)),
                fields=("device", "kind"),
                name="alarm_open_once",
            ),
        ),
    ]
