"""An hour, day or month counts the readings after its start, up to and including its end.

Before, a reading at a border counted for what begins there. Rows stay where they are. All hours whose
readings are stored become dirty, so the next refresh computes them and their days and months
again; rows whose only reading was at their start go. A closed month keeps its closed total, and
what changes becomes an adjustment.
"""

from datetime import timedelta

from django.db import migrations

from telemetry.store.db.edition import read_edition

REPLACEMENTS = """\
CREATE OR REPLACE FUNCTION mark_replacement_dirty() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        INSERT INTO dirty_hour (hour, device_ids)
        VALUES (date_trunc('hour', OLD.at - interval '1 microsecond', 'UTC'), ARRAY[OLD.device_id]);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO dirty_hour (hour, device_ids)
        VALUES (date_trunc('hour', NEW.at - interval '1 microsecond', 'UTC'), ARRAY[NEW.device_id]);
    END IF;
    RETURN NULL;
END $$;
"""

HOURLY_AGGREGATE_COMMUNITY = """\
-- Community edition: a continuous aggregate, and a view of it with the columns of the other edition.
-- Only what was refreshed is shown, as there. Buckets are UTC hours: in a named time zone
-- they can stay stale. Each begins a microsecond after the hour and has the hour's end. An hour is the
-- account's that its first received reading names.
CREATE MATERIALIZED VIEW hourly_bucket
WITH (timescaledb.continuous, timescaledb.materialized_only = true) AS
SELECT device_id, first(account_id, received_at) AS account_id,
    time_bucket(interval '1 hour', time, interval '1 microsecond') AS first_instant,
    sum(value) AS total, avg(value) AS mean, min(value) AS minimum, max(value) AS maximum,
    first(value, time) AS first, last(value, time) AS last, count(*) AS readings_count
FROM reading
GROUP BY device_id, time_bucket(interval '1 hour', time, interval '1 microsecond')
WITH NO DATA;

CREATE VIEW hourly_aggregate AS
SELECT device_id, account_id, time_bucket(interval '1 hour', first_instant) AS hour, total, mean,
    minimum, maximum, first, last, readings_count
FROM hourly_bucket;
"""

HOURLY_LISTING = """\
CREATE VIEW hourly_listing AS
SELECT device_id || '.' || (extract(epoch FROM hour) * 1000000)::bigint AS id,
    device_id, account_id, hour, total, mean, minimum, maximum, first, last, readings_count
FROM hourly_aggregate;
"""

# The rows of before, by their new first instant: those before the horizon are never computed again.
COPY_HOURS = """\
INSERT INTO {new} (device_id, account_id, first_instant, total, mean, minimum, maximum, first, last,
    readings_count)
SELECT device_id, account_id, hour + interval '1 microsecond', total, mean, minimum, maximum, first,
    last, readings_count
FROM hourly_before
"""

MATERIALIZED = """\
SELECT format('%I.%I', materialization_hypertable_schema, materialization_hypertable_name)
FROM timescaledb_information.continuous_aggregates
WHERE view_schema = 'public' AND view_name = 'hourly_bucket'
"""

# The hours of some days, and the hours before them, as a reading at an hour's start is now theirs.
MARK_DIRTY = """\
INSERT INTO dirty_hour (hour, device_ids)
SELECT hour, array_agg(device_id ORDER BY device_id)
FROM (
    SELECT hour, device_id FROM hourly_aggregate WHERE hour >= %(start)s AND hour < %(end)s
    UNION
    SELECT hour - interval '1 hour', device_id FROM hourly_aggregate
    WHERE hour >= %(start)s AND hour < %(end)s AND hour - interval '1 hour' >= %(horizon)s
) hours
GROUP BY hour ORDER BY hour
"""

# Hours that were dirty already, perhaps for a reading at their start.
MARK_WAITING = """\
INSERT INTO dirty_hour (hour, device_ids)
SELECT hour - interval '1 hour', device_ids FROM dirty_hour
WHERE hour - interval '1 hour' >= (SELECT coalesce(max(dropped_before), '-infinity') FROM raw_horizon)
ORDER BY hour, id
"""

DELETE_HOURS = """\
DELETE FROM {hours} h USING reading r
WHERE h.readings_count = 1 AND h.{at} >= %(start)s AND h.{at} < %(end)s
  AND r.device_id = h.device_id AND r.time = h.{at}{shift}
  AND r.time >= %(start)s AND r.time < %(end)s
"""

DELETE_REGISTERS = """\
DELETE FROM hourly_consumption
WHERE hour >= %(start)s AND hour < %(end)s AND first_at = hour AND last_at = hour
"""

# The days that begin from one instant to another.
DELETE_DAYS = """\
DELETE FROM daily_aggregate g USING account a
WHERE a.id = g.account_id AND g.readings_count = 1
  AND g.day BETWEEN %(start)s::date - 1 AND %(end)s::date + 1
  AND local_day_start(g.day, a.time_zone) >= %(start)s
  AND local_day_start(g.day, a.time_zone) < %(end)s
  AND EXISTS (
    SELECT FROM reading r
    WHERE r.device_id = g.device_id AND r.time = local_day_start(g.day, a.time_zone)
      AND r.time >= %(start)s AND r.time < %(end)s)
"""

# A closed month stays, with nothing; a line says so.
EMPTY_MONTHS = """\
WITH emptied AS (
    SELECT m.device_id, m.month, m.account_id, m.total, x.id IS NOT NULL AS is_closed
    FROM monthly_total m
    JOIN account a ON a.id = m.account_id
    LEFT JOIN closed_month x ON x.account_id = m.account_id AND x.month = m.month
    WHERE m.readings_count = 1
      AND m.month BETWEEN %(start)s::date - 1 AND %(end)s::date + 1
      AND local_day_start(m.month, a.time_zone) >= %(start)s
      AND local_day_start(m.month, a.time_zone) < %(end)s
      AND EXISTS (
        SELECT FROM reading r
        WHERE r.device_id = m.device_id AND r.time = local_day_start(m.month, a.time_zone)
          AND r.time >= %(start)s AND r.time < %(end)s)
), lines AS (
    INSERT INTO month_adjustment (account_id, device_id, month, difference)
    SELECT account_id, device_id, month, -total FROM emptied WHERE is_closed AND total <> 0
), deleted AS (
    DELETE FROM monthly_total m USING emptied e
    WHERE (m.device_id, m.month, m.account_id) = (e.device_id, e.month, e.account_id)
      AND NOT e.is_closed
)
UPDATE monthly_total m SET total = CASE WHEN m.total IS NOT NULL THEN 0 END, reading_sum = 0,
    readings_count = 0, intervals_seen = 0
FROM emptied e
WHERE (m.device_id, m.month, m.account_id) = (e.device_id, e.month, e.account_id) AND e.is_closed
"""

# Readings at the horizon: the hour that they belong to now is never computed again. They are added to
# it, and to its day and month where these end there.
ADD_TO_HOURS = """\
UPDATE {hours} h SET total = h.total + r.value,
    mean = (h.total + r.value) / (h.readings_count + 1), minimum = least(h.minimum, r.value),
    maximum = greatest(h.maximum, r.value), last = r.value, readings_count = h.readings_count + 1
FROM reading r
WHERE r.time = %(horizon)s AND h.device_id = r.device_id
  AND h.{at}{shift} = %(horizon)s - interval '1 hour'
"""
ADD_HOURS = """\
INSERT INTO {hours} (device_id, account_id, {at}, total, mean, minimum, maximum, first, last,
    readings_count)
SELECT r.device_id, r.account_id, r.time - interval '1 hour' {back}, r.value, r.value, r.value,
    r.value, r.value, r.value, 1
FROM reading r
WHERE r.time = %(horizon)s AND NOT EXISTS (
    SELECT FROM {hours} h
    WHERE h.device_id = r.device_id AND h.{at}{shift} = %(horizon)s - interval '1 hour')
"""
ADD_TO_DAYS_AND_MONTHS = """\
WITH border AS (
    SELECT r.device_id, h.account_id, r.value,
        CASE d.measurement WHEN 'delta' THEN r.value WHEN 'cumulative' THEN 0 END AS total,
        ((r.time - interval '1 microsecond') AT TIME ZONE a.time_zone)::date AS day,
        (r.time AT TIME ZONE a.time_zone)::date AS next_day, a.billing_day
    FROM reading r
    JOIN device d ON d.id = r.device_id
    JOIN hourly_aggregate h ON h.device_id = r.device_id
        AND h.hour = %(horizon)s - interval '1 hour'
    JOIN account a ON a.id = h.account_id
    WHERE r.time = %(horizon)s
), months AS (
    SELECT b.*, billing_month(day, billing_day) AS month, x.id IS NOT NULL AS is_closed
    FROM border b
    LEFT JOIN closed_month x ON x.account_id = b.account_id
        AND x.month = billing_month(b.day, b.billing_day)
    WHERE billing_month(day, billing_day) <> billing_month(next_day, billing_day)
), lines AS (
    INSERT INTO month_adjustment (account_id, device_id, month, difference)
    SELECT account_id, device_id, month, total FROM months WHERE is_closed AND total <> 0
), monthly AS (
    INSERT INTO monthly_total AS m (device_id, month, account_id, total, reading_sum, minimum,
        maximum, first_register, last_register, readings_count, intervals_seen, closed_total)
    SELECT device_id, month, account_id, total, value, value, value, value, value, 1, 1,
        CASE WHEN is_closed AND total IS NOT NULL THEN 0 END
    FROM months
    ON CONFLICT (device_id, month, account_id) DO UPDATE SET
        total = m.total + excluded.total, reading_sum = m.reading_sum + excluded.reading_sum,
        minimum = least(m.minimum, excluded.minimum),
        maximum = greatest(m.maximum, excluded.maximum), last_register = excluded.last_register,
        readings_count = m.readings_count + 1
)
INSERT INTO daily_aggregate AS g (device_id, day, account_id, total, reading_sum, minimum, maximum,
    first, last, readings_count, intervals_seen)
SELECT device_id, day, account_id, total, value, value, value, value, value, 1, 1
FROM border WHERE day <> next_day
ON CONFLICT (device_id, day, account_id) DO UPDATE SET
    total = g.total + excluded.total, reading_sum = g.reading_sum + excluded.reading_sum,
    minimum = least(g.minimum, excluded.minimum), maximum = greatest(g.maximum, excluded.maximum),
    last = excluded.last, readings_count = g.readings_count + 1
"""

DAY = timedelta(days=1)


def move_borders(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        names = {"hours": "hourly_aggregate", "at": "hour", "shift": "", "back": ""}
        if read_edition(cursor) == "community":
            microsecond = "interval '1 microsecond'"
            names = {
                "hours": create_hourly_bucket(cursor), "at": "first_instant",
                "shift": f" - {microsecond}", "back": f"+ {microsecond}",
            }  # fmt: skip
        delete_hours = DELETE_HOURS.format(**names)
        for start, end, horizon in list_days(cursor):
            # Constant bounds: a statement opens the chunk of one day.
            bounds = {"start": start, "end": end, "horizon": horizon}
            cursor.execute(MARK_DIRTY, bounds)
            for statement in (delete_hours, DELETE_REGISTERS, DELETE_DAYS, EMPTY_MONTHS):
                cursor.execute(statement, bounds)
        cursor.execute("SELECT max(dropped_before) FROM raw_horizon WHERE isfinite(dropped_before)")
        horizon = cursor.fetchone()[0]
        if horizon is not None:
            for statement in (ADD_TO_HOURS, ADD_HOURS):
                cursor.execute(statement.format(**names), {"horizon": horizon})
            cursor.execute(ADD_TO_DAYS_AND_MONTHS, {"horizon": horizon})


def create_hourly_bucket(cursor):
    """The hours of the Community edition by the new rule; where their rows lie."""
    cursor.execute("DROP VIEW hourly_listing")
    cursor.execute("ALTER MATERIALIZED VIEW hourly_aggregate RENAME TO hourly_before")
    cursor.execute(HOURLY_AGGREGATE_COMMUNITY)
    cursor.execute(MATERIALIZED)
    new = cursor.fetchone()[0]
    cursor.execute(COPY_HOURS.format(new=new))
    cursor.execute("DROP MATERIALIZED VIEW hourly_before")
    cursor.execute(HOURLY_LISTING)
    return new


def list_days(cursor):
    """The UTC days of hours whose readings are stored, from the horizon on, and the horizon."""
    cursor.execute(
        "SELECT greatest(min(range_start), max(h.dropped_before)), max(range_end),"
        " nullif(max(h.dropped_before), '-infinity')"
        " FROM timescaledb_information.chunks, raw_horizon h WHERE hypertable_name = 'reading'"
    )
    start, last, horizon = cursor.fetchone()
    while start is not None and start < last:
        end = start.replace(hour=0, minute=0, second=0, microsecond=0) + DAY
        yield start, end, horizon or start - DAY
        start = end


class Migration(migrations.Migration):
    dependencies = [("telemetry", "0004_names")]
    operations = [
        migrations.RunSQL(REPLACEMENTS),
        migrations.RunSQL(MARK_WAITING),
        migrations.RunPython(move_borders),
    ]
