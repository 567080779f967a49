"""Names that changed: tables, columns, triggers, tasks, and texts of models. No row is lost."""

import django.db.models.functions.datetime
from django.db import migrations, models

import telemetry.models.accounts

FROZEN_HOUR = """\
ALTER TABLE refused_hour RENAME TO frozen_hour;
ALTER TABLE frozen_hour RENAME noted_at TO recorded_at;
ALTER SEQUENCE refused_hour_id_seq RENAME TO frozen_hour_id_seq;
ALTER TABLE frozen_hour RENAME CONSTRAINT refused_hour_pkey TO frozen_hour_pkey;
ALTER INDEX refused_hour_device_id_5e8160ea RENAME TO frozen_hour_device_id_08f782c8;
ALTER TABLE frozen_hour RENAME CONSTRAINT refused_hour_device_hour TO frozen_hour_device_hour;
UPDATE auth_permission
SET codename = replace(codename, 'refusedhour', 'frozenhour'),
    name = replace(name, 'refused hour', 'frozen hour')
WHERE codename LIKE '%refusedhour';
"""

DIRTY_ACCOUNT = """\
ALTER TABLE dirty_account RENAME cut_days TO new_days;
ALTER TABLE dirty_account RENAME cut_to TO last_device_id;
CREATE OR REPLACE FUNCTION change_calendar() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    horizon timestamptz;
    old_day date;
BEGIN
    LOCK TABLE closed_month IN SHARE MODE;
    LOCK TABLE dirty_account IN ROW EXCLUSIVE MODE;
    SELECT coalesce(max(dropped_before), '-infinity') INTO horizon FROM raw_horizon;
    IF EXISTS (SELECT FROM closed_month WHERE account_id = NEW.id) THEN
        RAISE check_violation USING CONSTRAINT = 'account_calendar_closed', MESSAGE = format(
            'account %s has closed months: its time zone and billing day stay; reopen them first',
            NEW.name);
    END IF;
    IF NEW.time_zone <> OLD.time_zone THEN
        SELECT min(day) INTO old_day FROM daily_aggregate WHERE account_id = NEW.id;
        IF EXISTS (
            SELECT FROM generate_series(old_day, (horizon AT TIME ZONE 'UTC')::date, '1 day') AS d
            WHERE isfinite(horizon) AND NOT is_day_of_whole_hours(d::date, NEW.time_zone)
        ) THEN
            RAISE check_violation USING CONSTRAINT = 'account_calendar_dropped', MESSAGE = format(
                'account %s has days whose readings were dropped: expected a time zone of whole '
                'hours, %s is none', NEW.name, NEW.time_zone);
        END IF;
    END IF;
    INSERT INTO dirty_account (account_id, new_days)
    VALUES (NEW.id, NEW.time_zone <> OLD.time_zone);
    RETURN NULL;
END $$;
"""

TRIGGERS = """\
ALTER FUNCTION note_gateway_change RENAME TO record_gateway_change;
ALTER FUNCTION note_device_change RENAME TO record_device_change;
ALTER FUNCTION note_account_change RENAME TO record_account_change;
ALTER FUNCTION note_device_hours RENAME TO mark_device_dirty;
ALTER FUNCTION note_replacement RENAME TO mark_replacement_dirty;
ALTER TRIGGER replacement_noted ON meter_replacement RENAME TO replacement_dirty;
CREATE OR REPLACE FUNCTION mark_device_dirty() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO dirty_hour (hour, device_ids)
    SELECT hour, ARRAY[NEW.id]
    FROM (
        SELECT hour FROM hourly_aggregate WHERE device_id = NEW.id
        -- An hour that a refresh is writing for the first time is not seen yet; its dirty row is.
        UNION
        SELECT hour FROM dirty_hour WHERE NEW.id = ANY (device_ids)
    ) known
    WHERE hour >= coalesce((SELECT dropped_before FROM raw_horizon), '-infinity');
    RETURN NULL;
END $$;
"""

TASKS = """\
UPDATE task_run SET name = 'telemetry.evaluate_alarms' WHERE name = 'telemetry.judge_alarms';
UPDATE task_run SET name = 'telemetry.apply_retention' WHERE name = 'telemetry.keep_storage';
UPDATE task_history SET task = 'telemetry.evaluate_alarms' WHERE task = 'telemetry.judge_alarms';
UPDATE task_history SET task = 'telemetry.apply_retention' WHERE task = 'telemetry.keep_storage';
DO $$ BEGIN
    IF to_regclass('django_celery_beat_periodictask') IS NOT NULL THEN
        UPDATE django_celery_beat_periodictask
        SET name = 'Evaluate alarms', task = 'telemetry.evaluate_alarms'
        WHERE name = 'Judge alarms' AND task = 'telemetry.judge_alarms';
        UPDATE django_celery_beat_periodictask
        SET name = 'Apply retention', task = 'telemetry.apply_retention'
        WHERE name = 'Keep storage' AND task = 'telemetry.keep_storage';
    END IF;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("telemetry", "0003_rules"), ("auth", "0012_alter_user_first_name_max_length")]
    operations = [
        migrations.RenameModel("RefusedHour", "FrozenHour"),
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(FROZEN_HOUR)],
            state_operations=[
                migrations.AlterModelTable("FrozenHour", "frozen_hour"),
                migrations.RenameField("FrozenHour", "noted_at", "recorded_at"),
                migrations.RemoveConstraint("FrozenHour", "refused_hour_device_hour"),
                migrations.AddConstraint(
                    "FrozenHour",
                    models.UniqueConstraint(
                        fields=["device", "hour"], name="frozen_hour_device_hour"
                    ),
                ),
            ],
        ),
        migrations.RenameField("AlarmCursor", "judged_until", "evaluated_until"),
        migrations.RenameField("MonthAdjustment", "noted_at", "recorded_at"),
        migrations.RenameField("MonthEvent", "figures", "totals"),
        migrations.DeleteModel("HourlyAggregate"),  # not managed: the relation stays
        migrations.RunSQL(DIRTY_ACCOUNT),
        migrations.RunSQL(TRIGGERS),
        migrations.RunSQL(TASKS),
        migrations.AlterModelOptions(
            "FrozenHour",
            {
                "ordering": ["-recorded_at", "-id"],
                "verbose_name": "frozen hour",
                "verbose_name_plural": "frozen hours",
            },
        ),
        migrations.AlterModelOptions(
            "MonthAdjustment",
            {
                "ordering": ["-recorded_at", "-id"],
                "verbose_name": "adjustment",
                "verbose_name_plural": "adjustments",
            },
        ),
        *(
            migrations.AlterField(
                model,
                "recorded_at",
                models.DateTimeField(
                    db_default=django.db.models.functions.datetime.Now(),
                    verbose_name="recorded at",
                ),
            )
            for model in ("FrozenHour", "MonthAdjustment")
        ),
        migrations.AlterField(
            "MonthEvent", "totals", models.JSONField(default=dict, verbose_name="totals")
        ),
        migrations.AlterField(
            "Account",
            "time_zone",
            models.CharField(
                default="UTC",
                help_text="IANA name, for example America/Sao_Paulo. Days and months begin in it.",
                max_length=64,
                validators=[telemetry.models.accounts.validate_time_zone],
                verbose_name="time zone",
            ),
        ),
        migrations.AlterField(
            "Device",
            "unit",
            models.CharField(
                blank=True,
                help_text="Readings that name another unit are rejected. Empty: any unit.",
                max_length=10,
                verbose_name="unit",
            ),
        ),
        migrations.AlterField(
            "TaskHistory",
            "outcome",
            models.CharField(
                choices=[
                    ("success", "success"),
                    ("error", "error"),
                    ("busy", "another run was active"),
                ],
                max_length=10,
                verbose_name="outcome",
            ),
        ),
    ]
