"""Consumption that can be billed: days, months, closing, replacements (telemetry/sql/schema)."""

from pathlib import Path

import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

SCHEMA = Path(__file__).parent.parent / "sql" / "schema"


def read(name):
    return (SCHEMA / f"{name}.sql").read_text(encoding="utf-8")


class Migration(migrations.Migration):
    dependencies = [
        ("telemetry", "0004_reading_index"),
    ]

    operations = [
        migrations.CreateModel(
            name="DailyAggregate",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "device_id",
                        "day",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("day", models.DateField(verbose_name="day")),
                (
                    "total",
                    models.DecimalField(
                        decimal_places=4, max_digits=30, null=True, verbose_name="total"
                    ),
                ),
                (
                    "reading_sum",
                    models.DecimalField(
                        decimal_places=4, max_digits=30, verbose_name="sum of readings"
                    ),
                ),
                (
                    "minimum",
                    models.DecimalField(decimal_places=4, max_digits=15, verbose_name="minimum"),
                ),
                (
                    "maximum",
                    models.DecimalField(decimal_places=4, max_digits=15, verbose_name="maximum"),
                ),
                (
                    "first",
                    models.DecimalField(decimal_places=4, max_digits=15, verbose_name="first"),
                ),
                ("last", models.DecimalField(decimal_places=4, max_digits=15, verbose_name="last")),
                ("readings_count", models.BigIntegerField(verbose_name="readings")),
                (
                    "intervals_seen",
                    models.DecimalField(
                        decimal_places=4, max_digits=30, verbose_name="intervals seen"
                    ),
                ),
            ],
            options={
                "verbose_name": "daily aggregate",
                "verbose_name_plural": "daily aggregates",
                "db_table": "daily_aggregate",
                "managed": False,
            },
        ),
        migrations.CreateModel(
            name="MonthlyConsumption",
            fields=[
                ("id", models.TextField(primary_key=True, serialize=False)),
                ("month", models.DateField(verbose_name="month")),
                ("month_end", models.DateField(verbose_name="next month")),
                (
                    "total",
                    models.DecimalField(
                        decimal_places=4, max_digits=30, null=True, verbose_name="total"
                    ),
                ),
                (
                    "daily_mean",
                    models.DecimalField(
                        decimal_places=10, max_digits=30, null=True, verbose_name="daily mean"
                    ),
                ),
                (
                    "reading_mean",
                    models.DecimalField(
                        decimal_places=10, max_digits=30, verbose_name="mean of readings"
                    ),
                ),
                (
                    "reading_sum",
                    models.DecimalField(
                        decimal_places=4, max_digits=30, verbose_name="sum of readings"
                    ),
                ),
                ("readings_count", models.BigIntegerField(verbose_name="readings")),
                (
                    "coverage",
                    models.DecimalField(
                        decimal_places=10, max_digits=30, null=True, verbose_name="coverage"
                    ),
                ),
                (
                    "first_register",
                    models.DecimalField(
                        decimal_places=4, max_digits=15, verbose_name="first reading"
                    ),
                ),
                (
                    "last_register",
                    models.DecimalField(
                        decimal_places=4, max_digits=15, verbose_name="last reading"
                    ),
                ),
                (
                    "minimum",
                    models.DecimalField(decimal_places=4, max_digits=15, verbose_name="minimum"),
                ),
                (
                    "maximum",
                    models.DecimalField(decimal_places=4, max_digits=15, verbose_name="maximum"),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("open", "open"),
                            ("closed", "closed"),
                            ("adjusted", "closed, adjusted since"),
                        ],
                        max_length=10,
                        verbose_name="state",
                    ),
                ),
            ],
            options={
                "verbose_name": "monthly consumption",
                "verbose_name_plural": "monthly consumption",
                "db_table": "monthly_consumption",
                "ordering": ["-month", "device_id"],
                "managed": False,
            },
        ),
        migrations.CreateModel(
            name="ClosedMonth",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("month", models.DateField(verbose_name="month")),
                (
                    "closed_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        verbose_name="closed at",
                    ),
                ),
                (
                    "note",
                    models.TextField(blank=True, db_default="", default="", verbose_name="note"),
                ),
            ],
            options={
                "verbose_name": "closed month",
                "verbose_name_plural": "closed months",
                "db_table": "closed_month",
                "ordering": ["-month", "account"],
            },
        ),
        migrations.CreateModel(
            name="MeterReplacement",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("at", models.DateTimeField(verbose_name="at")),
                (
                    "old_value",
                    models.DecimalField(
                        decimal_places=4, max_digits=15, verbose_name="last of the old"
                    ),
                ),
                (
                    "new_value",
                    models.DecimalField(
                        decimal_places=4, max_digits=15, verbose_name="first of the new"
                    ),
                ),
                (
                    "note",
                    models.TextField(blank=True, db_default="", default="", verbose_name="note"),
                ),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        editable=False,
                        verbose_name="created at",
                    ),
                ),
            ],
            options={
                "verbose_name": "meter replacement",
                "verbose_name_plural": "meter replacements",
                "db_table": "meter_replacement",
                "ordering": ["-at"],
            },
        ),
        migrations.CreateModel(
            name="MonthAdjustment",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("month", models.DateField(verbose_name="month")),
                (
                    "difference",
                    models.DecimalField(decimal_places=4, max_digits=30, verbose_name="difference"),
                ),
                (
                    "noted_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        verbose_name="noted at",
                    ),
                ),
            ],
            options={
                "verbose_name": "adjustment",
                "verbose_name_plural": "adjustments",
                "db_table": "month_adjustment",
                "ordering": ["-noted_at", "-id"],
            },
        ),
        migrations.CreateModel(
            name="MonthEvent",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("month", models.DateField(verbose_name="month")),
                (
                    "kind",
                    models.CharField(
                        choices=[("closed", "closed"), ("reopened", "reopened")],
                        max_length=10,
                        verbose_name="kind",
                    ),
                ),
                (
                    "at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), verbose_name="at"
                    ),
                ),
                (
                    "note",
                    models.TextField(blank=True, db_default="", default="", verbose_name="note"),
                ),
                ("figures", models.JSONField(default=dict, verbose_name="figures")),
            ],
            options={
                "verbose_name": "month event",
                "verbose_name_plural": "month events",
                "db_table": "month_event",
                "ordering": ["-at", "-id"],
            },
        ),
        migrations.CreateModel(
            name="RefusedHour",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("hour", models.DateTimeField(verbose_name="hour")),
                ("dropped_before", models.DateTimeField(verbose_name="dropped before")),
                (
                    "noted_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        verbose_name="noted at",
                    ),
                ),
            ],
            options={
                "verbose_name": "refused hour",
                "verbose_name_plural": "refused hours",
                "db_table": "refused_hour",
                "ordering": ["-noted_at", "-id"],
            },
        ),
        migrations.AddField(
            model_name="account",
            name="billing_day",
            field=models.PositiveSmallIntegerField(
                db_default=1,
                default=1,
                help_text="Day on which a billing month begins, 1 to 28 (closing day 14: 15).",
                validators=[
                    django.core.validators.MinValueValidator(1),
                    django.core.validators.MaxValueValidator(28),
                ],
                verbose_name="billing day",
            ),
        ),
        migrations.AddField(
            model_name="device",
            name="interval_s",
            field=models.PositiveIntegerField(
                blank=True,
                help_text="Expected seconds between readings. Empty: one an hour is full coverage.",
                null=True,
                validators=[django.core.validators.MinValueValidator(1)],
                verbose_name="interval (s)",
            ),
        ),
        migrations.AddField(
            model_name="device",
            name="register_modulus",
            field=models.DecimalField(
                blank=True,
                decimal_places=4,
                help_text="A cumulative register counts from 0 to below this. Empty: never, or unknown.",
                max_digits=15,
                null=True,
                verbose_name="register rolls over at",
            ),
        ),
        migrations.AddConstraint(
            model_name="account",
            constraint=models.CheckConstraint(
                condition=models.Q(("billing_day__range", (1, 28))), name="account_billing_day"
            ),
        ),
        migrations.AddConstraint(
            model_name="device",
            constraint=models.CheckConstraint(
                condition=models.Q(("register_modulus__gt", 0)),
                name="device_register_modulus",
                violation_error_message="A register rolls over at more than 0.",
            ),
        ),
        migrations.AddConstraint(
            model_name="device",
            constraint=models.CheckConstraint(
                condition=models.Q(("interval_s__gt", 0)), name="device_interval_s"
            ),
        ),
        migrations.AddField(
            model_name="closedmonth",
            name="account",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="closed_months",
                to="telemetry.account",
                verbose_name="account",
            ),
        ),
        migrations.AddField(
            model_name="closedmonth",
            name="closed_by",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
                verbose_name="closed by",
            ),
        ),
        migrations.AddField(
            model_name="meterreplacement",
            name="created_by",
            field=models.ForeignKey(
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
                verbose_name="created by",
            ),
        ),
        migrations.AddField(
            model_name="meterreplacement",
            name="device",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="replacements",
                to="telemetry.device",
                verbose_name="device",
            ),
        ),
        migrations.AddField(
            model_name="monthadjustment",
            name="account",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="adjustments",
                to="telemetry.account",
                verbose_name="account",
            ),
        ),
        migrations.AddField(
            model_name="monthadjustment",
            name="device",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="adjustments",
                to="telemetry.device",
                verbose_name="device",
            ),
        ),
        migrations.AddField(
            model_name="monthevent",
            name="account",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="month_events",
                to="telemetry.account",
                verbose_name="account",
            ),
        ),
        migrations.AddField(
            model_name="monthevent",
            name="by",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
                verbose_name="by",
            ),
        ),
        migrations.AddField(
            model_name="refusedhour",
            name="device",
            field=models.ForeignKey(
                db_constraint=False,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to="telemetry.device",
                verbose_name="device",
            ),
        ),
        migrations.AddConstraint(
            model_name="closedmonth",
            constraint=models.UniqueConstraint(
                fields=("account", "month"), name="closed_month_account_month"
            ),
        ),
        migrations.AddConstraint(
            model_name="meterreplacement",
            constraint=models.UniqueConstraint(
                fields=("device", "at"),
                name="meter_replacement_device_at",
                violation_error_message="This device has a replacement at this instant already.",
            ),
        ),
        migrations.AddIndex(
            model_name="monthadjustment",
            index=models.Index(fields=["device", "month"], name="month_adjustment_device_month"),
        ),
        migrations.AddIndex(
            model_name="monthadjustment",
            index=models.Index(fields=["account", "month"], name="month_adjustment_account_month"),
        ),
        migrations.AddIndex(
            model_name="monthevent",
            index=models.Index(fields=["account", "month"], name="month_event_account_month"),
        ),
        migrations.AddConstraint(
            model_name="refusedhour",
            constraint=models.UniqueConstraint(
                fields=("device", "hour"), name="refused_hour_device_hour"
            ),
        ),
        migrations.RunSQL(
            read("consumption_tables"),
            "DROP TABLE hourly_consumption, daily_aggregate, monthly_total, raw_horizon, dirty_account;",
        ),
        migrations.RunSQL(
            read("consumption_rules"),
            "DROP FUNCTION register_increment; DROP FUNCTION replaced_between; DROP FUNCTION intervals_an_hour;"
            "DROP FUNCTION is_hour_dropped; DROP FUNCTION is_day_of_whole_hours; DROP FUNCTION local_day_start;"
            "DROP FUNCTION billing_month; DROP FUNCTION next_billing_month;",
        ),
        migrations.RunSQL(
            read("consumption_notes"),
            "DROP TRIGGER device_consumption ON device; DROP FUNCTION note_device_hours;"
            "DROP TRIGGER replacement_noted ON meter_replacement; DROP FUNCTION note_replacement;"
            "DROP TRIGGER account_calendar ON account; DROP FUNCTION change_calendar;"
            "DROP TRIGGER account_time_zone ON account; DROP FUNCTION check_time_zone;",
        ),
        migrations.RunSQL(read("monthly_consumption"), "DROP VIEW monthly_consumption;"),
    ]
