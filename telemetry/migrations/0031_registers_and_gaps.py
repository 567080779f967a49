"""Registers and gaps by new rules: dips and spikes, resets, exchanges; what silence hides is spread.

All hours of registers and deltas whose readings are stored become dirty: the next refresh computes
them and their days and months again. A closed month keeps its closed total, and what changes
becomes an adjustment.
"""

from datetime import timedelta

from django.db import migrations, models

COLUMNS = """\
ALTER TABLE hourly_consumption
    ALTER first DROP NOT NULL, ALTER first_at DROP NOT NULL,
    ALTER last DROP NOT NULL, ALTER last_at DROP NOT NULL,
    ADD step numeric NOT NULL DEFAULT 0,
    ADD step_from timestamptz,
    ADD step_to timestamptz,
    ADD is_gap boolean NOT NULL DEFAULT false,
    ADD height numeric(15, 4),
    ADD height_at timestamptz,
    ADD steps jsonb;
CREATE INDEX hourly_consumption_gap ON hourly_consumption (device_id, hour) WHERE is_gap;
CREATE INDEX hourly_consumption_uneven ON hourly_consumption (device_id, hour)
    WHERE steps IS NOT NULL;
ALTER TABLE daily_aggregate
    ALTER minimum DROP NOT NULL, ALTER maximum DROP NOT NULL,
    ALTER first DROP NOT NULL, ALTER last DROP NOT NULL,
    ADD estimated numeric NOT NULL DEFAULT 0;
ALTER TABLE monthly_total
    ALTER minimum DROP NOT NULL, ALTER maximum DROP NOT NULL,
    ALTER first_register DROP NOT NULL, ALTER last_register DROP NOT NULL,
    ADD estimated numeric NOT NULL DEFAULT 0;
"""

FUNCTIONS = """\
-- The longest step that is not spread over the hours that it covers: two intervals, or two hours.
CREATE FUNCTION longest_step(interval_s integer) RETURNS interval
LANGUAGE sql IMMUTABLE AS $$
    SELECT make_interval(secs => 2 * coalesce(interval_s, 3600))
$$;

-- What of a step was consumed until an instant: its share by time, cut off after four decimals.
CREATE FUNCTION consumed_until(consumed numeric, since timestamptz, until timestamptz, at timestamptz)
RETURNS numeric LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE
        WHEN at >= until THEN consumed
        WHEN at <= since THEN 0
        ELSE 0.0001 * div(10000 * consumed * extract(epoch FROM at - since),
            extract(epoch FROM until - since))
    END
$$;
"""

GAP_HOURS = """\
-- What the UTC hours of a period get of a device's gaps: `moved` comes to what the hour has of steps
-- that end in it, or is taken from it; `estimated` is what it has of gaps.
CREATE FUNCTION gap_hours(device bigint, account bigint, since timestamptz, until timestamptz)
RETURNS TABLE (hour timestamptz, moved numeric, estimated numeric) LANGUAGE sql STABLE AS $$
    SELECT h.hour, sum(h.part - CASE WHEN h.hour = g.hour THEN g.step ELSE 0 END), sum(h.part)
    FROM (
        SELECT c.hour, c.account_id, c.step, c.step_from, c.step_to FROM hourly_consumption c
        WHERE c.device_id = device AND c.is_gap AND c.hour >= since AND c.hour < until
        UNION ALL
        (SELECT c.hour, c.account_id, c.step, c.step_from, c.step_to FROM hourly_consumption c
         WHERE c.device_id = device AND c.is_gap AND c.hour >= until
         ORDER BY c.hour LIMIT 1)
    ) g
    CROSS JOIN LATERAL (
        SELECT at AS hour, consumed_until(g.step, g.step_from, g.step_to, at + interval '1 hour')
            - consumed_until(g.step, g.step_from, g.step_to, at) AS part
        FROM generate_series(
            date_trunc('hour', greatest(g.step_from, since), 'UTC'),
            least(g.hour, until - interval '1 hour'), interval '1 hour') AS at
        WHERE at + interval '1 hour' > g.step_from
    ) h
    WHERE g.account_id = account AND g.step_from < until
    GROUP BY h.hour
$$;
"""

TRIGGERS = """\
CREATE OR REPLACE FUNCTION mark_device_dirty() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO dirty_hour (hour, device_ids)
    SELECT hour, ARRAY[NEW.id]
    FROM (
        SELECT hour FROM hourly_aggregate WHERE device_id = NEW.id
        UNION
        SELECT hour FROM hourly_consumption WHERE device_id = NEW.id
        -- An hour that a refresh is writing for the first time is not seen yet; its dirty row is.
        UNION
        SELECT hour FROM dirty_hour WHERE NEW.id = ANY (device_ids)
    ) known
    WHERE hour >= coalesce((SELECT dropped_before FROM raw_horizon), '-infinity');
    RETURN NULL;
END $$;

-- Whether an account spreads gaps concerns the hours that long steps end in.
CREATE FUNCTION mark_gaps_dirty() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO dirty_hour (hour, device_ids)
    SELECT c.hour, array_agg(c.device_id)
    FROM device d
    JOIN hourly_consumption c ON c.device_id = d.id
    WHERE d.account_id = NEW.id AND c.step_to - c.step_from > longest_step(d.interval_s)
      AND c.hour >= coalesce((SELECT dropped_before FROM raw_horizon), '-infinity')
    GROUP BY c.hour;
    RETURN NULL;
END $$;
CREATE TRIGGER account_gaps AFTER UPDATE OF spreads_gaps
    ON account FOR EACH ROW WHEN (OLD.spreads_gaps <> NEW.spreads_gaps)
    EXECUTE FUNCTION mark_gaps_dirty();
"""

VIEW = """\
-- Consumption as it is billed: the closed total where the month is closed, else the live one.
-- `month_end` is the first day of the next billing month. A closed month whose readings all went to
-- another account has none, and a mean of 0.
CREATE OR REPLACE VIEW monthly_consumption AS
SELECT m.device_id || '.' || m.month || '.' || m.account_id AS id,
    m.account_id, m.device_id, m.month, calendar.month_end,
    billed.total,
    billed.total / calendar.days_elapsed AS daily_mean,
    coalesce(m.reading_sum / nullif(m.readings_count, 0), 0) AS reading_mean,
    m.reading_sum, m.readings_count,
    least(1, m.intervals_seen / nullif(
        calendar.hours_elapsed * 3600 / coalesce(d.interval_s, 3600), 0)) AS coverage,
    m.first_register, m.last_register, m.minimum, m.maximum,
    CASE WHEN c.id IS NULL THEN 'open'
        WHEN coalesce(adjusted.difference, 0) <> 0 THEN 'adjusted'
        ELSE 'closed' END AS state,
    m.estimated
FROM monthly_total m
JOIN account a ON a.id = m.account_id
JOIN device d ON d.id = m.device_id
LEFT JOIN closed_month c ON c.account_id = m.account_id AND c.month = m.month
LEFT JOIN LATERAL (
    SELECT sum(difference) AS difference FROM month_adjustment
    WHERE device_id = m.device_id AND month = m.month AND account_id = m.account_id
      AND c.id IS NOT NULL
) adjusted ON true
CROSS JOIN LATERAL (
    SELECT month_end,
        greatest(1, least(month_end, (now() AT TIME ZONE a.time_zone)::date + 1) - m.month)
            AS days_elapsed,
        greatest(0, extract(epoch FROM least(now(), local_day_start(month_end, a.time_zone))
            - local_day_start(m.month, a.time_zone)) / 3600) AS hours_elapsed
    FROM next_billing_month(m.month, a.billing_day, a.earlier_billing_days) AS month_end
) calendar
CROSS JOIN LATERAL (
    SELECT CASE WHEN c.id IS NULL THEN m.total ELSE m.closed_total END AS total
) billed;
"""

MARK_DIRTY = """\
INSERT INTO dirty_hour (hour, device_ids)
SELECT h.hour, array_agg(h.device_id ORDER BY h.device_id)
FROM hourly_aggregate h JOIN device d ON d.id = h.device_id
WHERE d.measurement <> 'gauge' AND h.hour >= %(start)s AND h.hour < %(end)s
GROUP BY h.hour ORDER BY h.hour
"""


def mark_dirty(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(
            "SELECT greatest(min(range_start), max(h.dropped_before)), max(range_end)"
            " FROM timescaledb_information.chunks, raw_horizon h WHERE hypertable_name = 'reading'"
        )
        start, last = cursor.fetchone()
        while start is not None and start < last:
            end = start + timedelta(days=1)
            cursor.execute(MARK_DIRTY, {"start": start, "end": end})
            start = end


class Migration(migrations.Migration):
    dependencies = [("telemetry", "0011_enrolments")]
    operations = [
        migrations.AddField(
            "Account",
            "spreads_gaps",
            models.BooleanField(
                db_default=True,
                default=True,
                help_text="What a device consumed in a time without readings is spread evenly over "
                "the hours, and shown as estimated. Otherwise it counts at the reading that ends it.",
                verbose_name="spreads gaps",
            ),
        ),
        migrations.RunSQL(COLUMNS),
        migrations.RunSQL(
            "DROP FUNCTION register_increment(numeric, numeric, numeric, numeric);"
            "DROP FUNCTION replaced_between(bigint, timestamptz, timestamptz)"
        ),
        migrations.RunSQL(FUNCTIONS),
        migrations.RunSQL(GAP_HOURS),
        migrations.RunSQL(TRIGGERS),
        migrations.RunSQL(VIEW),
        migrations.RunPython(mark_dirty),
    ]
