import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("telemetry", "0050_assignments"),
    ]

    operations = [
        migrations.CreateModel(
            name="DeadLetterAction",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("at", models.DateTimeField(verbose_name="at")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("discard", "discarded"),
                            ("replay", "replayed"),
                            ("edit", "edited and replayed"),
                        ],
                        max_length=10,
                        verbose_name="action",
                    ),
                ),
                ("reason", models.CharField(max_length=30, verbose_name="reason")),
                (
                    "mac",
                    models.CharField(blank=True, db_default="", max_length=17, verbose_name="MAC"),
                ),
                ("dead_letters", models.BigIntegerField(verbose_name="dead letters")),
                (
                    "note",
                    models.TextField(blank=True, db_default="", max_length=500, verbose_name="why"),
                ),
                ("undone_at", models.DateTimeField(null=True, verbose_name="undone at")),
            ],
            options={
                "verbose_name": "decision about dead letters",
                "verbose_name_plural": "decisions about dead letters",
                "db_table": "dead_letter_action",
                "ordering": ["-at", "-id"],
            },
        ),
        migrations.CreateModel(
            name="DeadLetterGroup",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "reason",
                    models.CharField(
                        choices=[
                            ("bad_topic", "bad_topic"),
                            ("too_large", "too_large"),
                            ("bad_json", "bad_json"),
                            ("bad_schema", "bad_schema"),
                            ("mac_mismatch", "mac_mismatch"),
                            ("unknown_gateway", "unknown_gateway"),
                            ("inactive_gateway", "inactive_gateway"),
                            ("bad_timestamp", "bad_timestamp"),
                            ("timestamp_out_of_range", "timestamp_out_of_range"),
                            ("unknown_device", "unknown_device"),
                            ("inactive_device", "inactive_device"),
                            ("bad_value", "bad_value"),
                            ("negative_value", "negative_value"),
                            ("unit_mismatch", "unit_mismatch"),
                            ("conflicting_reading", "conflicting_reading"),
                            ("rate_limited", "rate_limited"),
                            ("processing_error", "processing_error"),
                        ],
                        max_length=30,
                        verbose_name="reason",
                    ),
                ),
                (
                    "mac",
                    models.CharField(blank=True, db_default="", max_length=17, verbose_name="MAC"),
                ),
                ("dead_letters", models.BigIntegerField(verbose_name="dead letters")),
                ("messages", models.BigIntegerField(verbose_name="messages")),
                ("first_seen", models.DateTimeField(verbose_name="first seen")),
                ("last_seen", models.DateTimeField(verbose_name="last seen")),
            ],
            options={
                "verbose_name": "group of dead letters",
                "verbose_name_plural": "groups of dead letters",
                "db_table": "dead_letter_group",
                "ordering": ["-messages", "-last_seen", "id"],
            },
        ),
        migrations.CreateModel(
            name="LedgerQuarter",
            fields=[
                (
                    "start",
                    models.DateTimeField(primary_key=True, serialize=False, verbose_name="start"),
                ),
                ("messages", models.BigIntegerField(verbose_name="messages")),
                ("dead_letters", models.BigIntegerField(verbose_name="dead letters")),
                (
                    "summed_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        verbose_name="summed at",
                    ),
                ),
            ],
            options={
                "verbose_name": "quarter of an hour",
                "verbose_name_plural": "quarters of an hour",
                "db_table": "ledger_quarter",
                "ordering": ["-start"],
            },
        ),
        migrations.AddIndex(
            model_name="deadletter",
            index=models.Index(
                models.F("reason"),
                models.F("mac"),
                models.OrderBy(models.F("last_seen"), descending=True),
                models.OrderBy(models.F("id"), descending=True),
                condition=models.Q(("state", "pending")),
                name="dead_letter_group_seen",
            ),
        ),
        migrations.AddField(
            model_name="deadletteraction",
            name="account",
            field=models.ForeignKey(
                db_constraint=False,
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to="telemetry.account",
                verbose_name="account",
            ),
        ),
        migrations.AddField(
            model_name="deadletteraction",
            name="user",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
                verbose_name="user",
            ),
        ),
        migrations.AddField(
            model_name="deadlettergroup",
            name="account",
            field=models.ForeignKey(
                db_constraint=False,
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to="telemetry.account",
                verbose_name="account",
            ),
        ),
        migrations.AddIndex(
            model_name="deadletteraction",
            index=models.Index(fields=["-at", "-id"], name="dead_letter_action_at"),
        ),
        migrations.AddConstraint(
            model_name="deadlettergroup",
            constraint=models.UniqueConstraint(
                fields=("reason", "mac", "account"),
                name="dead_letter_group_key",
                nulls_distinct=False,
            ),
        ),
    ]
