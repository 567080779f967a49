"""Hours and days are found by their devices: the planner took the indexes by account for each of a
thousand devices where it knew nothing of their account yet."""

from django.db import migrations

SQL = """\
DROP INDEX IF EXISTS daily_aggregate_account_day;
DROP INDEX IF EXISTS hourly_aggregate_account_hour;

CREATE OR REPLACE FUNCTION change_calendar() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    horizon timestamptz;
    old_day date;
BEGIN
    SELECT coalesce(max(dropped_before), '-infinity') INTO horizon FROM raw_horizon;
    IF NEW.time_zone <> OLD.time_zone THEN
        SELECT min(first.day) INTO old_day
        FROM first_open_day(NEW.id) AS open (day)
        CROSS JOIN (SELECT DISTINCT device_id FROM monthly_total WHERE account_id = NEW.id) own
        CROSS JOIN LATERAL (
            SELECT g.day FROM daily_aggregate g
            WHERE g.device_id = own.device_id AND g.account_id = NEW.id AND g.day >= open.day
            ORDER BY g.day LIMIT 1
        ) first;
        IF EXISTS (
            SELECT FROM generate_series(old_day, (horizon AT TIME ZONE 'UTC')::date, '1 day') AS d
            WHERE isfinite(horizon) AND NOT is_day_of_whole_hours(d::date, NEW.zones)
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


class Migration(migrations.Migration):
    dependencies = [
        ("telemetry", "0063_lists_in_order"),
    ]

    operations = [
        migrations.RunSQL(SQL, migrations.RunSQL.noop),
    ]
