"""Personal tokens of the API; dead letters of an account, newest first."""

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("telemetry", "0011_invitations"),
    ]

    operations = [
        migrations.CreateModel(
            name="ApiToken",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=100, verbose_name="name")),
                ("prefix", models.CharField(max_length=12, verbose_name="begins with")),
                ("digest", models.BinaryField(max_length=32, unique=True, verbose_name="SHA-256")),
                (
                    "scopes",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(
                            choices=[
                                (
                                    "read",
                                    "Read accounts, gateways, devices, readings, consumption and alarms",
                                ),
                                ("export", "Export readings in bulk"),
                                (
                                    "dead_letters",
                                    "Read dead letters, with the messages as they came",
                                ),
                                ("alarms:write", "Acknowledge alarms"),
                            ],
                            max_length=20,
                        ),
                        size=None,
                        verbose_name="scopes",
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        verbose_name="created at",
                    ),
                ),
                ("expires_at", models.DateTimeField(null=True, verbose_name="expires at")),
                ("last_used_at", models.DateTimeField(null=True, verbose_name="last used at")),
                ("revoked_at", models.DateTimeField(null=True, verbose_name="revoked at")),
            ],
            options={
                "verbose_name": "API token",
                "verbose_name_plural": "API tokens",
                "db_table": "api_token",
                "ordering": ["-created_at", "-id"],
            },
        ),
        migrations.AlterField(
            model_name="deadletter",
            name="account",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="dead_letters",
                to="telemetry.account",
                verbose_name="account",
            ),
        ),
        migrations.AddIndex(
            model_name="deadletter",
            index=models.Index(
                models.F("account"),
                models.OrderBy(models.F("last_seen"), descending=True),
                models.OrderBy(models.F("id"), descending=True),
                condition=models.Q(("account__isnull", False)),
                name="dead_letter_account_seen",
            ),
        ),
        migrations.AddField(
            model_name="apitoken",
            name="account",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="telemetry.account",
                verbose_name="account",
            ),
        ),
        migrations.AddField(
            model_name="apitoken",
            name="user",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="api_tokens",
                to=settings.AUTH_USER_MODEL,
                verbose_name="user",
            ),
        ),
    ]
