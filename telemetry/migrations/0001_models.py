"""The tables of Django's models, and the names of those that SQL makes (0002, 0003)."""

import django.contrib.auth.models
import django.contrib.auth.validators
import django.contrib.postgres.fields
import django.core.validators
import django.db.models.deletion
import django.db.models.expressions
import django.db.models.functions.datetime
import django.utils.timezone
from django.conf import settings
from django.core.management.base import CommandError
from django.db import migrations, models

import telemetry.models.accounts
import telemetry.models.fleet
from telemetry.store.db.edition import TimescaleMissingError, ensure_extension


def require_timescale(apps, schema_editor):
    """Before anything else: a database without the extension stops with one line."""
    with schema_editor.connection.cursor() as cursor:
        try:
            ensure_extension(cursor)
        except TimescaleMissingError as error:
            raise CommandError(str(error), returncode=2) from error


class Migration(migrations.Migration):
    initial = True
    dependencies = [("auth", "0012_alter_user_first_name_max_length")]
    replaces = [
        ("telemetry", "0001_initial"),
        ("telemetry", "0005_storage_life"),
        ("telemetry", "0010_alarms"),
        ("telemetry", "0011_invitations"),
        ("telemetry", "0012_api_tokens"),
        ("telemetry", "0013_reports"),
        ("telemetry", "0014_dead_letter_mac"),
        ("telemetry", "0016_split_batches"),
    ]
    operations = [
        migrations.RunPython(require_timescale),
        migrations.CreateModel(
            name="Account",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=100, unique=True, verbose_name="name")),
                (
                    "time_zone",
                    models.CharField(
                        default="UTC",
                        help_text="IANA name, for example America/Sao_Paulo. Days and months are cut in it.",
                        max_length=64,
                        validators=[telemetry.models.accounts.validate_time_zone],
                        verbose_name="time zone",
                    ),
                ),
                ("is_active", models.BooleanField(default=True, verbose_name="active")),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        editable=False,
                        verbose_name="created at",
                    ),
                ),
                (
                    "billing_day",
                    models.PositiveSmallIntegerField(
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
            ],
            options={
                "verbose_name": "account",
                "verbose_name_plural": "accounts",
                "db_table": "account",
                "ordering": ["name"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("billing_day__range", (1, 28))),
                        name="account_billing_day",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="User",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("password", models.CharField(max_length=128, verbose_name="password")),
                (
                    "last_login",
                    models.DateTimeField(blank=True, null=True, verbose_name="last login"),
                ),
                (
                    "is_superuser",
                    models.BooleanField(
                        default=False,
                        help_text="Designates that this user has all permissions without explicitly assigning them.",
                        verbose_name="superuser status",
                    ),
                ),
                (
                    "username",
                    models.CharField(
                        error_messages={"unique": "A user with that username already exists."},
                        help_text="Required. 150 characters or fewer. Letters, digits and @/./+/-/_ only.",
                        max_length=150,
                        unique=True,
                        validators=[django.contrib.auth.validators.UnicodeUsernameValidator()],
                        verbose_name="username",
                    ),
                ),
                (
                    "first_name",
                    models.CharField(blank=True, max_length=150, verbose_name="first name"),
                ),
                (
                    "last_name",
                    models.CharField(blank=True, max_length=150, verbose_name="last name"),
                ),
                (
                    "email",
                    models.EmailField(blank=True, max_length=254, verbose_name="email address"),
                ),
                (
                    "is_staff",
                    models.BooleanField(
                        default=False,
                        help_text="Designates whether the user can log into this admin site.",
                        verbose_name="staff status",
                    ),
                ),
                (
                    "is_active",
                    models.BooleanField(
                        default=True,
                        help_text="Designates whether this user should be treated as active. Unselect this instead of deleting accounts.",
                        verbose_name="active",
                    ),
                ),
                (
                    "date_joined",
                    models.DateTimeField(
                        default=django.utils.timezone.now, verbose_name="date joined"
                    ),
                ),
                (
                    "groups",
                    models.ManyToManyField(
                        blank=True,
                        help_text="The groups this user belongs to. A user will get all permissions granted to each of their groups.",
                        related_name="user_set",
                        related_query_name="user",
                        to="auth.group",
                        verbose_name="groups",
                    ),
                ),
                (
                    "user_permissions",
                    models.ManyToManyField(
                        blank=True,
                        help_text="Specific permissions for this user.",
                        related_name="user_set",
                        related_query_name="user",
                        to="auth.permission",
                        verbose_name="user permissions",
                    ),
                ),
                (
                    "language",
                    models.CharField(
                        blank=True,
                        db_default="",
                        default="",
                        max_length=10,
                        verbose_name="language",
                    ),
                ),
            ],
            options={
                "verbose_name": "user",
                "verbose_name_plural": "users",
                "db_table": "telemetry_user",
                "abstract": False,
            },
            managers=[
                ("objects", django.contrib.auth.models.UserManager()),
            ],
        ),
        migrations.CreateModel(
            name="Membership",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "role",
                    models.CharField(
                        choices=[("owner", "owner"), ("admin", "admin"), ("viewer", "viewer")],
                        default="viewer",
                        max_length=10,
                        verbose_name="role",
                    ),
                ),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="memberships",
                        to="telemetry.account",
                        verbose_name="account",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="memberships",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="user",
                    ),
                ),
            ],
            options={
                "verbose_name": "membership",
                "verbose_name_plural": "memberships",
                "db_table": "membership",
                "ordering": ["account", "user"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("user", "account"),
                        name="membership_user_account",
                        violation_error_message="This user is a member of this account already.",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Invitation",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("email", models.EmailField(max_length=254, verbose_name="e-mail address")),
                (
                    "role",
                    models.CharField(
                        choices=[("owner", "owner"), ("admin", "admin"), ("viewer", "viewer")],
                        default="viewer",
                        max_length=10,
                        verbose_name="role",
                    ),
                ),
                ("token_digest", models.CharField(editable=False, max_length=64, unique=True)),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        verbose_name="created at",
                    ),
                ),
                ("expires_at", models.DateTimeField(verbose_name="expires at")),
                ("accepted_at", models.DateTimeField(null=True, verbose_name="accepted at")),
                ("revoked_at", models.DateTimeField(null=True, verbose_name="revoked at")),
                (
                    "accepted_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="accepted by",
                    ),
                ),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="invitations",
                        to="telemetry.account",
                        verbose_name="account",
                    ),
                ),
                (
                    "invited_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="invited by",
                    ),
                ),
            ],
            options={
                "verbose_name": "invitation",
                "verbose_name_plural": "invitations",
                "db_table": "invitation",
                "ordering": ["-created_at", "-id"],
            },
        ),
        migrations.CreateModel(
            name="MembershipEvent",
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
                        choices=[
                            ("invited", "invited"),
                            ("revoked", "invitation revoked"),
                            ("joined", "joined"),
                            ("role_changed", "role changed"),
                            ("removed", "removed"),
                            ("left", "left"),
                        ],
                        max_length=15,
                        verbose_name="kind",
                    ),
                ),
                (
                    "whom",
                    models.CharField(
                        help_text="User name, or the address that was invited.",
                        max_length=254,
                        verbose_name="whom",
                    ),
                ),
                (
                    "role",
                    models.CharField(
                        choices=[("owner", "owner"), ("admin", "admin"), ("viewer", "viewer")],
                        max_length=10,
                        verbose_name="role",
                    ),
                ),
                (
                    "at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), verbose_name="at"
                    ),
                ),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="member_events",
                        to="telemetry.account",
                        verbose_name="account",
                    ),
                ),
                (
                    "by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="by",
                    ),
                ),
            ],
            options={
                "verbose_name": "membership event",
                "verbose_name_plural": "membership events",
                "db_table": "membership_event",
                "ordering": ["-at", "-id"],
                "indexes": [
                    models.Index(fields=["account", "-at"], name="membership_event_account")
                ],
            },
        ),
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
                (
                    "account",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="telemetry.account",
                        verbose_name="account",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="api_tokens",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="user",
                    ),
                ),
            ],
            options={
                "verbose_name": "API token",
                "verbose_name_plural": "API tokens",
                "db_table": "api_token",
                "ordering": ["-created_at", "-id"],
            },
        ),
        migrations.CreateModel(
            name="Gateway",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "code",
                    models.CharField(
                        help_text="Unique in the account.", max_length=50, verbose_name="code"
                    ),
                ),
                (
                    "mac",
                    telemetry.models.fleet.MacField(
                        help_text="Six hex pairs: aa:bb:cc:dd:ee:ff.",
                        max_length=17,
                        unique=True,
                        verbose_name="MAC",
                    ),
                ),
                ("name", models.CharField(blank=True, max_length=100, verbose_name="name")),
                ("location", models.CharField(blank=True, max_length=200, verbose_name="location")),
                (
                    "max_devices",
                    models.PositiveSmallIntegerField(
                        default=8,
                        validators=[django.core.validators.MinValueValidator(1)],
                        verbose_name="most devices",
                    ),
                ),
                ("is_active", models.BooleanField(default=True, verbose_name="active")),
                (
                    "is_online",
                    models.BooleanField(default=False, editable=False, verbose_name="online"),
                ),
                (
                    "last_seen",
                    models.DateTimeField(editable=False, null=True, verbose_name="last seen"),
                ),
                (
                    "firmware_version",
                    models.CharField(blank=True, max_length=50, verbose_name="firmware version"),
                ),
                (
                    "offline_after_s",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="Seconds of silence until it is offline. Empty: the setting's value.",
                        null=True,
                        validators=[django.core.validators.MinValueValidator(5)],
                        verbose_name="offline after (s)",
                    ),
                ),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="gateways",
                        to="telemetry.account",
                        verbose_name="account",
                    ),
                ),
            ],
            options={
                "verbose_name": "gateway",
                "verbose_name_plural": "gateways",
                "db_table": "gateway",
                "ordering": ["account", "code"],
                "indexes": [
                    models.Index(
                        condition=models.Q(("is_online", True)),
                        fields=["last_seen"],
                        name="gateway_online",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("account", "code"),
                        name="gateway_account_code",
                        violation_error_message="This account has a gateway with this code already.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("mac__regex", "^[0-9a-f]{2}(:[0-9a-f]{2}){5}$")),
                        name="gateway_mac_lower",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Device",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "code",
                    models.CharField(
                        help_text="As the gateway sends it; unique in the gateway.",
                        max_length=20,
                        verbose_name="code",
                    ),
                ),
                ("name", models.CharField(blank=True, max_length=100, verbose_name="name")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("meter", "meter"),
                            ("sensor", "sensor"),
                            ("actuator", "actuator"),
                        ],
                        default="meter",
                        max_length=10,
                        verbose_name="kind",
                    ),
                ),
                (
                    "measurement",
                    models.CharField(
                        choices=[
                            ("delta", "delta: consumption since the last reading"),
                            ("cumulative", "cumulative: a register that only grows"),
                            ("gauge", "gauge: a level"),
                        ],
                        default="delta",
                        max_length=10,
                        verbose_name="measurement",
                    ),
                ),
                (
                    "unit",
                    models.CharField(
                        blank=True,
                        help_text="Readings that name another unit are refused. Empty: any unit.",
                        max_length=10,
                        verbose_name="unit",
                    ),
                ),
                ("is_active", models.BooleanField(default=True, verbose_name="active")),
                (
                    "modbus_slave",
                    models.PositiveSmallIntegerField(
                        blank=True, null=True, verbose_name="Modbus slave"
                    ),
                ),
                (
                    "modbus_register",
                    models.PositiveIntegerField(
                        blank=True, null=True, verbose_name="Modbus register"
                    ),
                ),
                (
                    "alarm_low",
                    models.DecimalField(
                        blank=True,
                        decimal_places=4,
                        max_digits=15,
                        null=True,
                        verbose_name="alarm below",
                    ),
                ),
                (
                    "alarm_high",
                    models.DecimalField(
                        blank=True,
                        decimal_places=4,
                        max_digits=15,
                        null=True,
                        verbose_name="alarm above",
                    ),
                ),
                (
                    "account",
                    models.ForeignKey(
                        editable=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="devices",
                        to="telemetry.account",
                        verbose_name="account",
                    ),
                ),
                (
                    "gateway",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="devices",
                        to="telemetry.gateway",
                        verbose_name="gateway",
                    ),
                ),
                (
                    "interval_s",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="Expected seconds between readings. Empty: one an hour is full coverage.",
                        null=True,
                        validators=[django.core.validators.MinValueValidator(1)],
                        verbose_name="interval (s)",
                    ),
                ),
                (
                    "register_modulus",
                    models.DecimalField(
                        blank=True,
                        decimal_places=4,
                        help_text="A cumulative register counts from 0 to below this. Empty: never, or unknown.",
                        max_digits=15,
                        null=True,
                        verbose_name="register rolls over at",
                    ),
                ),
                (
                    "group",
                    models.CharField(
                        blank=True,
                        db_default="",
                        default="",
                        help_text="Reports add up devices of a group: a building, a line, a tenant.",
                        max_length=50,
                        verbose_name="group",
                    ),
                ),
            ],
            options={
                "verbose_name": "device",
                "verbose_name_plural": "devices",
                "db_table": "device",
                "ordering": ["gateway", "code"],
                "indexes": [
                    models.Index(
                        condition=models.Q(
                            ("alarm_low__isnull", False),
                            ("alarm_high__isnull", False),
                            _connector="OR",
                        ),
                        fields=["id"],
                        name="device_with_limits",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("gateway", "code"),
                        name="device_gateway_code",
                        violation_error_message="This gateway has a device with this code already.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("code", ""), _negated=True),
                        name="device_code_not_empty",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("register_modulus__gt", 0)),
                        name="device_register_modulus",
                        violation_error_message="A register rolls over at more than 0.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("interval_s__gt", 0)), name="device_interval_s"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="GatewayEvent",
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
                        choices=[("online", "online"), ("offline", "offline")],
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
                ("last_seen", models.DateTimeField(null=True, verbose_name="last seen")),
                (
                    "gateway",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="events",
                        to="telemetry.gateway",
                        verbose_name="gateway",
                    ),
                ),
            ],
            options={
                "verbose_name": "gateway event",
                "verbose_name_plural": "gateway events",
                "db_table": "gateway_event",
                "ordering": ["-at"],
                "indexes": [
                    models.Index(
                        models.F("gateway"),
                        models.OrderBy(models.F("at"), descending=True),
                        name="gateway_event_gateway_at",
                    ),
                    models.Index(fields=["-at"], name="gateway_event_at"),
                ],
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
                (
                    "created_by",
                    models.ForeignKey(
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="created by",
                    ),
                ),
                (
                    "device",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="replacements",
                        to="telemetry.device",
                        verbose_name="device",
                    ),
                ),
            ],
            options={
                "verbose_name": "meter replacement",
                "verbose_name_plural": "meter replacements",
                "db_table": "meter_replacement",
                "ordering": ["-at"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("device", "at"),
                        name="meter_replacement_device_at",
                        violation_error_message="This device has a replacement at this instant already.",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Batch",
            fields=[
                ("id", models.TextField(primary_key=True, serialize=False, verbose_name="id")),
                ("source", models.TextField(verbose_name="source")),
                ("seq", models.BigIntegerField(verbose_name="number")),
                ("received_at", models.DateTimeField(verbose_name="received at")),
                ("stored_at", models.DateTimeField(verbose_name="stored at")),
                ("messages", models.IntegerField(verbose_name="messages")),
                ("messages_stored", models.IntegerField(verbose_name="messages stored")),
                ("messages_duplicate", models.IntegerField(verbose_name="messages duplicate")),
                ("messages_rejected", models.IntegerField(verbose_name="messages rejected")),
                ("readings", models.IntegerField(verbose_name="readings")),
                ("readings_stored", models.IntegerField(verbose_name="readings stored")),
                ("readings_duplicate", models.IntegerField(verbose_name="readings duplicate")),
                ("readings_rejected", models.IntegerField(verbose_name="readings rejected")),
                ("dead_letters", models.IntegerField(verbose_name="dead letters")),
                (
                    "second_part",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.IntegerField(),
                        null=True,
                        size=None,
                        verbose_name="second part",
                    ),
                ),
            ],
            options={
                "verbose_name": "batch",
                "verbose_name_plural": "batches",
                "db_table": "batch",
                "ordering": ["-stored_at"],
                "indexes": [
                    models.Index(fields=["stored_at"], name="batch_stored_at"),
                    models.Index(fields=["seq"], name="batch_seq"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "messages",
                                django.db.models.expressions.CombinedExpression(
                                    django.db.models.expressions.CombinedExpression(
                                        models.F("messages_stored"),
                                        "+",
                                        models.F("messages_duplicate"),
                                    ),
                                    "+",
                                    models.F("messages_rejected"),
                                ),
                            )
                        ),
                        name="batch_messages_add_up",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "readings",
                                django.db.models.expressions.CombinedExpression(
                                    django.db.models.expressions.CombinedExpression(
                                        models.F("readings_stored"),
                                        "+",
                                        models.F("readings_duplicate"),
                                    ),
                                    "+",
                                    models.F("readings_rejected"),
                                ),
                            )
                        ),
                        name="batch_readings_add_up",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="BatchDay",
            fields=[
                ("day", models.DateField(primary_key=True, serialize=False, verbose_name="day")),
                ("batches", models.BigIntegerField(verbose_name="batches")),
                ("max_seq", models.BigIntegerField(verbose_name="highest number")),
                ("messages", models.BigIntegerField(verbose_name="messages")),
                ("messages_stored", models.BigIntegerField(verbose_name="messages stored")),
                ("messages_duplicate", models.BigIntegerField(verbose_name="messages duplicate")),
                ("messages_rejected", models.BigIntegerField(verbose_name="messages rejected")),
                ("readings", models.BigIntegerField(verbose_name="readings")),
                ("readings_stored", models.BigIntegerField(verbose_name="readings stored")),
                ("readings_duplicate", models.BigIntegerField(verbose_name="readings duplicate")),
                ("readings_rejected", models.BigIntegerField(verbose_name="readings rejected")),
                ("dead_letters", models.BigIntegerField(verbose_name="dead letters")),
            ],
            options={
                "verbose_name": "day of batches",
                "verbose_name_plural": "days of batches",
                "db_table": "batch_day",
                "ordering": ["-day"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "messages",
                                django.db.models.expressions.CombinedExpression(
                                    django.db.models.expressions.CombinedExpression(
                                        models.F("messages_stored"),
                                        "+",
                                        models.F("messages_duplicate"),
                                    ),
                                    "+",
                                    models.F("messages_rejected"),
                                ),
                            )
                        ),
                        name="batch_day_messages_add_up",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "readings",
                                django.db.models.expressions.CombinedExpression(
                                    django.db.models.expressions.CombinedExpression(
                                        models.F("readings_stored"),
                                        "+",
                                        models.F("readings_duplicate"),
                                    ),
                                    "+",
                                    models.F("readings_rejected"),
                                ),
                            )
                        ),
                        name="batch_day_readings_add_up",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="DeadLetter",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "fingerprint",
                    models.BinaryField(max_length=32, unique=True, verbose_name="fingerprint"),
                ),
                ("topic", models.TextField(verbose_name="topic")),
                ("payload", models.BinaryField(verbose_name="payload")),
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
                ("detail", models.TextField(blank=True, verbose_name="detail")),
                (
                    "mac",
                    models.CharField(blank=True, db_default="", max_length=17, verbose_name="MAC"),
                ),
                (
                    "device_code",
                    models.CharField(
                        blank=True, db_default="", max_length=20, verbose_name="device code"
                    ),
                ),
                ("first_seen", models.DateTimeField(verbose_name="first seen")),
                ("last_seen", models.DateTimeField(verbose_name="last seen")),
                ("occurrences", models.BigIntegerField(db_default=1, verbose_name="occurrences")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("pending", "pending"),
                            ("replayed", "replayed"),
                            ("discarded", "discarded"),
                        ],
                        db_default="pending",
                        default="pending",
                        max_length=10,
                        verbose_name="state",
                    ),
                ),
                ("handled_at", models.DateTimeField(null=True, verbose_name="handled at")),
                (
                    "account",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="dead_letters",
                        to="telemetry.account",
                        verbose_name="account",
                    ),
                ),
                (
                    "handled_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="handled by",
                    ),
                ),
                (
                    "gateway",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="dead_letters",
                        to="telemetry.gateway",
                        verbose_name="gateway",
                    ),
                ),
            ],
            options={
                "verbose_name": "dead letter",
                "verbose_name_plural": "dead letters",
                "db_table": "dead_letter",
                "ordering": ["-last_seen", "-id"],
                "indexes": [
                    models.Index(
                        models.OrderBy(models.F("last_seen"), descending=True),
                        models.OrderBy(models.F("id"), descending=True),
                        name="dead_letter_last_seen",
                    ),
                    models.Index(fields=["state", "last_seen"], name="dead_letter_state"),
                    models.Index(fields=["reason", "state"], name="dead_letter_reason"),
                    models.Index(
                        condition=models.Q(("state", "pending")),
                        fields=["mac", "state"],
                        name="dead_letter_mac_pending",
                    ),
                    models.Index(
                        models.F("account"),
                        models.OrderBy(models.F("last_seen"), descending=True),
                        models.OrderBy(models.F("id"), descending=True),
                        condition=models.Q(("account__isnull", False)),
                        name="dead_letter_account_seen",
                    ),
                    models.Index(
                        models.F("mac"),
                        models.OrderBy(models.F("last_seen"), descending=True),
                        models.OrderBy(models.F("id"), descending=True),
                        name="dead_letter_mac_last_seen",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="DirtyHour",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("hour", models.DateTimeField(verbose_name="hour")),
                (
                    "device_ids",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.BigIntegerField(), size=None, verbose_name="devices"
                    ),
                ),
            ],
            options={
                "verbose_name": "hour to refresh",
                "verbose_name_plural": "hours to refresh",
                "db_table": "dirty_hour",
                "ordering": ["hour", "id"],
                "indexes": [models.Index(fields=["hour", "id"], name="dirty_hour_hour")],
            },
        ),
        migrations.CreateModel(
            name="TaskRun",
            fields=[
                (
                    "name",
                    models.CharField(
                        max_length=200, primary_key=True, serialize=False, verbose_name="task"
                    ),
                ),
                ("started_at", models.DateTimeField(null=True, verbose_name="started at")),
                ("success_at", models.DateTimeField(null=True, verbose_name="last success")),
                ("error_at", models.DateTimeField(null=True, verbose_name="last error at")),
                ("error", models.TextField(blank=True, default="", verbose_name="last error")),
                ("duration_ms", models.IntegerField(default=0, verbose_name="duration (ms)")),
                ("result", models.JSONField(default=dict, verbose_name="result")),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        editable=False,
                        verbose_name="known since",
                    ),
                ),
            ],
            options={
                "verbose_name": "task run",
                "verbose_name_plural": "task runs",
                "db_table": "task_run",
                "ordering": ["name"],
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
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="closed_months",
                        to="telemetry.account",
                        verbose_name="account",
                    ),
                ),
                (
                    "closed_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="closed by",
                    ),
                ),
            ],
            options={
                "verbose_name": "closed month",
                "verbose_name_plural": "closed months",
                "db_table": "closed_month",
                "ordering": ["-month", "account"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("account", "month"), name="closed_month_account_month"
                    )
                ],
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
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="adjustments",
                        to="telemetry.account",
                        verbose_name="account",
                    ),
                ),
                (
                    "device",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="adjustments",
                        to="telemetry.device",
                        verbose_name="device",
                    ),
                ),
            ],
            options={
                "verbose_name": "adjustment",
                "verbose_name_plural": "adjustments",
                "db_table": "month_adjustment",
                "ordering": ["-noted_at", "-id"],
                "indexes": [
                    models.Index(fields=["device", "month"], name="month_adjustment_device_month"),
                    models.Index(
                        fields=["account", "month"], name="month_adjustment_account_month"
                    ),
                ],
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
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="month_events",
                        to="telemetry.account",
                        verbose_name="account",
                    ),
                ),
                (
                    "by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="by",
                    ),
                ),
            ],
            options={
                "verbose_name": "month event",
                "verbose_name_plural": "month events",
                "db_table": "month_event",
                "ordering": ["-at", "-id"],
                "indexes": [
                    models.Index(fields=["account", "month"], name="month_event_account_month")
                ],
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
                (
                    "device",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="telemetry.device",
                        verbose_name="device",
                    ),
                ),
            ],
            options={
                "verbose_name": "refused hour",
                "verbose_name_plural": "refused hours",
                "db_table": "refused_hour",
                "ordering": ["-noted_at", "-id"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("device", "hour"), name="refused_hour_device_hour"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="DroppedRange",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("relation", models.CharField(max_length=63, verbose_name="relation")),
                ("range_start", models.DateTimeField(null=True, verbose_name="from")),
                ("range_end", models.DateTimeField(verbose_name="before")),
                ("rows", models.BigIntegerField(verbose_name="rows")),
                ("dropped_at", models.DateTimeField(verbose_name="dropped at")),
            ],
            options={
                "verbose_name": "dropped range",
                "verbose_name_plural": "dropped ranges",
                "db_table": "dropped_range",
                "ordering": ["-dropped_at", "-id"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("relation", "range_start", "range_end"),
                        name="dropped_range_once",
                        nulls_distinct=False,
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="TaskHistory",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("task", models.CharField(max_length=200, verbose_name="task")),
                ("started_at", models.DateTimeField(verbose_name="started at")),
                ("duration_ms", models.IntegerField(verbose_name="duration (ms)")),
                (
                    "outcome",
                    models.CharField(
                        choices=[
                            ("success", "success"),
                            ("error", "error"),
                            ("busy", "another was at work"),
                        ],
                        max_length=10,
                        verbose_name="outcome",
                    ),
                ),
                ("rows", models.BigIntegerField(default=0, verbose_name="rows")),
                ("result", models.JSONField(default=dict, verbose_name="result")),
                ("error", models.TextField(blank=True, default="", verbose_name="error")),
            ],
            options={
                "verbose_name": "past run",
                "verbose_name_plural": "past runs",
                "db_table": "task_history",
                "ordering": ["-started_at", "-id"],
                "indexes": [
                    models.Index(fields=["started_at", "id"], name="task_history_started"),
                    models.Index(fields=["task", "started_at", "id"], name="task_history_task"),
                ],
            },
        ),
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
                (
                    "account",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="alarms",
                        to="telemetry.account",
                        verbose_name="account",
                    ),
                ),
                (
                    "acknowledged_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="acknowledged by",
                    ),
                ),
                (
                    "device",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="alarms",
                        to="telemetry.device",
                        verbose_name="device",
                    ),
                ),
            ],
            options={
                "verbose_name": "alarm",
                "verbose_name_plural": "alarms",
                "db_table": "alarm",
                "ordering": ["-opened_at", "-id"],
                "indexes": [
                    models.Index(
                        models.F("account"),
                        models.OrderBy(models.F("opened_at"), descending=True),
                        name="alarm_account_opened",
                    ),
                    models.Index(
                        condition=models.Q(("closed_at", None)),
                        fields=["account"],
                        name="alarm_account_open",
                    ),
                    models.Index(
                        models.F("account"),
                        models.OrderBy(models.F("changed_at"), descending=True),
                        name="alarm_account_changed",
                    ),
                    models.Index(
                        models.F("device"),
                        models.OrderBy(models.F("opened_at"), descending=True),
                        name="alarm_device_opened",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("closed_at", None)),
                        fields=("device", "kind"),
                        name="alarm_open_once",
                    )
                ],
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
        migrations.CreateModel(
            name="HourlyAggregate",
            fields=[
                ("hour", models.DateTimeField(verbose_name="hour")),
                (
                    "total",
                    models.DecimalField(decimal_places=4, max_digits=30, verbose_name="total"),
                ),
                (
                    "mean",
                    models.DecimalField(decimal_places=10, max_digits=30, verbose_name="mean"),
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
                    "pk",
                    models.CompositePrimaryKey(
                        "device_id",
                        "hour",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
            ],
            options={
                "verbose_name": "hourly aggregate",
                "verbose_name_plural": "hourly aggregates",
                "db_table": "hourly_aggregate",
                "managed": False,
            },
        ),
        migrations.CreateModel(
            name="HourlyListing",
            fields=[
                ("hour", models.DateTimeField(verbose_name="hour")),
                (
                    "total",
                    models.DecimalField(decimal_places=4, max_digits=30, verbose_name="total"),
                ),
                (
                    "mean",
                    models.DecimalField(decimal_places=10, max_digits=30, verbose_name="mean"),
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
                ("id", models.TextField(primary_key=True, serialize=False)),
            ],
            options={
                "verbose_name": "hourly aggregate",
                "verbose_name_plural": "hourly aggregates",
                "db_table": "hourly_listing",
                "managed": False,
            },
        ),
        migrations.CreateModel(
            name="Reading",
            fields=[
                ("time", models.DateTimeField(verbose_name="time")),
                ("received_at", models.DateTimeField(verbose_name="received at")),
                (
                    "value",
                    models.DecimalField(decimal_places=4, max_digits=15, verbose_name="value"),
                ),
                ("unit", models.CharField(max_length=10, verbose_name="unit")),
                ("raw", models.JSONField(null=True, verbose_name="raw")),
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "device_id",
                        "time",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
            ],
            options={
                "verbose_name": "reading",
                "verbose_name_plural": "readings",
                "db_table": "reading",
                "managed": False,
            },
        ),
        migrations.CreateModel(
            name="ReadingListing",
            fields=[
                ("time", models.DateTimeField(verbose_name="time")),
                ("received_at", models.DateTimeField(verbose_name="received at")),
                (
                    "value",
                    models.DecimalField(decimal_places=4, max_digits=15, verbose_name="value"),
                ),
                ("unit", models.CharField(max_length=10, verbose_name="unit")),
                ("raw", models.JSONField(null=True, verbose_name="raw")),
                ("id", models.TextField(primary_key=True, serialize=False)),
            ],
            options={
                "verbose_name": "reading",
                "verbose_name_plural": "readings",
                "db_table": "reading_listing",
                "managed": False,
            },
        ),
        migrations.CreateModel(
            name="DailyAggregate",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "device_id",
                        "day",
                        "account_id",
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
            name="Storage",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
            ],
            options={
                "verbose_name": "storage",
                "verbose_name_plural": "storage",
                "managed": False,
                "default_permissions": ("view",),
            },
        ),
    ]
