"""Another time zone takes effect with the first month after those that are closed."""

from django.db import migrations, models

import telemetry.models.accounts

FILL = """\
UPDATE account SET zones = time_zone;
"""
SQL = """\
CREATE OR REPLACE FUNCTION zone_on(day date, zone text) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN strpos(zone, ' ') = 0 THEN zone ELSE coalesce((
        SELECT split_part(rule, '=', 2)
        FROM unnest((string_to_array(zone, ' '))[2:]) WITH ORDINALITY AS r (rule, number)
        WHERE split_part(rule, '=', 1)::date > day
        ORDER BY number LIMIT 1
    ), split_part(zone, ' ', 1)) END
$$;

CREATE OR REPLACE FUNCTION day_start_in(day date, name text) RETURNS timestamptz
LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN ((later - interval '1 hour') AT TIME ZONE name)::date >= day
        THEN later - interval '1 hour' ELSE later END
    FROM (SELECT day::timestamp AT TIME ZONE name AS later) AS midnight
$$;

CREATE OR REPLACE FUNCTION local_day_start(day date, zone text) RETURNS timestamptz
LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN strpos(zone, ' ') = 0 THEN day_start_in(day, zone)
        ELSE day_start_in(day, zone_on(day - 1, zone)) END
$$;

CREATE OR REPLACE FUNCTION local_day_of_zones(at timestamptz, zone text) RETURNS date LANGUAGE plpgsql STABLE AS $$
DECLARE
    rules text[] := string_to_array(zone, ' ');
    name text := rules[1];
    first_day date;
BEGIN
    FOR number IN REVERSE array_length(rules, 1)..2 LOOP
        first_day := split_part(rules[number], '=', 1)::date;
        IF at >= day_start_in(first_day, split_part(rules[number], '=', 2)) THEN
            RETURN greatest(first_day, (at AT TIME ZONE name)::date);
        END IF;
        name := split_part(rules[number], '=', 2);
    END LOOP;
    RETURN (at AT TIME ZONE name)::date;
END $$;

CREATE OR REPLACE FUNCTION local_day(at timestamptz, zone text) RETURNS date LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN strpos(zone, ' ') = 0 THEN (at AT TIME ZONE zone)::date
        ELSE local_day_of_zones(at, zone) END
$$;

CREATE OR REPLACE FUNCTION is_hour_dropped(hour timestamptz, zone text, dropped_before timestamptz)
RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT hour < dropped_before
        OR hour < dropped_before + interval '2 days'
            AND NOT is_day_of_whole_hours(local_day(hour, zone), zone)
            AND local_day_start(local_day(hour, zone), zone) < dropped_before
$$;

CREATE OR REPLACE FUNCTION first_open_day(account bigint) RETURNS date LANGUAGE sql STABLE AS $$
    SELECT coalesce(next_billing_month(max(c.month), a.billing_day, a.earlier_billing_days), '-infinity')
    FROM account a LEFT JOIN closed_month c ON c.account_id = a.id
    WHERE a.id = account
    GROUP BY a.id
$$;

CREATE OR REPLACE FUNCTION keep_calendar() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    open_from date;  -- the first day after the months that are closed; null when none is
BEGIN
    NEW.earlier_billing_days := OLD.earlier_billing_days;
    NEW.zones := OLD.zones;
    IF (OLD.time_zone, OLD.billing_day) = (NEW.time_zone, NEW.billing_day) THEN
        RETURN NEW;
    END IF;
    LOCK TABLE closed_month IN SHARE MODE;
    LOCK TABLE dirty_account IN ROW EXCLUSIVE MODE;
    open_from := nullif(first_open_day(NEW.id), '-infinity');
    IF EXISTS (
        SELECT FROM monthly_total m
        WHERE m.account_id = NEW.id AND m.month >= coalesce(open_from, '-infinity') AND m.month < (
            SELECT max(range_end) AT TIME ZONE 'UTC' FROM dropped_range
            WHERE relation = 'daily_aggregate')
    ) THEN
        RAISE check_violation USING CONSTRAINT = 'account_calendar_kept', MESSAGE = format(
            'account %s has months whose days were dropped: its time zone and billing day stay',
            NEW.name);
    END IF;
    IF OLD.billing_day <> NEW.billing_day THEN
        NEW.earlier_billing_days := (
            SELECT coalesce(jsonb_agg(rule ORDER BY until), '[]')
            FROM (
                SELECT rule, (rule ->> 0)::date AS until
                FROM jsonb_array_elements(OLD.earlier_billing_days) AS rule
                WHERE (rule ->> 0)::date < open_from
                UNION ALL
                SELECT jsonb_build_array(open_from, r.begins_on), open_from
                FROM billing_rule(open_from - 1, OLD.billing_day, OLD.earlier_billing_days) AS r
                WHERE open_from IS NOT NULL
            ) rules
        );
    END IF;
    IF OLD.time_zone <> NEW.time_zone THEN
        SELECT concat_ws(' ', NEW.time_zone, string_agg(rule, ' ' ORDER BY rule)) INTO NEW.zones
        FROM (
            SELECT rule FROM unnest((string_to_array(OLD.zones, ' '))[2:]) AS rule
            WHERE split_part(rule, '=', 1)::date < open_from
            UNION ALL
            SELECT to_char(open_from, 'YYYY-MM-DD') || '=' || zone_on(open_from - 1, OLD.zones)
            WHERE zone_on(open_from - 1, OLD.zones) <> NEW.time_zone
        ) rules;
        IF local_day_start(open_from + 1, NEW.zones) <= local_day_start(open_from, NEW.zones) THEN
            RAISE check_violation USING CONSTRAINT = 'account_calendar_border', MESSAGE = format(
                'account %s: in %s the day %s would be over before it begins, as the months before it '
                'are closed in %s: choose a time zone that is less far away',
                NEW.name, NEW.time_zone, open_from, zone_on(open_from - 1, OLD.zones));
        END IF;
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE FUNCTION begin_calendar() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.zones := NEW.time_zone;
    RETURN NEW;
END $$;
CREATE TRIGGER account_calendar_begun BEFORE INSERT
    ON account FOR EACH ROW WHEN (NEW.zones = '') EXECUTE FUNCTION begin_calendar();

CREATE OR REPLACE FUNCTION change_calendar() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    horizon timestamptz;
    old_day date;
BEGIN
    SELECT coalesce(max(dropped_before), '-infinity') INTO horizon FROM raw_horizon;
    IF NEW.time_zone <> OLD.time_zone THEN
        SELECT min(day) INTO old_day FROM daily_aggregate
        WHERE account_id = NEW.id AND day >= first_open_day(NEW.id);
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

CREATE OR REPLACE VIEW monthly_consumption AS
SELECT m.device_id || '.' || m.month || '.' || m.account_id AS id,
    m.account_id, m.device_id, m.month, calendar.month_end,
    billed.total,
    billed.total / calendar.days_elapsed AS daily_mean,
    coalesce(m.reading_sum / nullif(m.readings_count, 0), 0) AS reading_mean,
    m.reading_sum, m.readings_count,
    least(1, m.intervals_seen / nullif(expected.intervals, 0)) AS coverage,
    m.first_register, m.last_register, m.minimum, m.maximum,
    CASE WHEN c.id IS NULL THEN 'open'
        WHEN coalesce(adjusted.difference, 0) <> 0 THEN 'adjusted'
        ELSE 'closed' END AS state,
    m.estimated
FROM monthly_total m
JOIN account a ON a.id = m.account_id
LEFT JOIN closed_month c ON c.account_id = m.account_id AND c.month = m.month
LEFT JOIN LATERAL (
    SELECT sum(difference) AS difference FROM month_adjustment
    WHERE device_id = m.device_id AND month = m.month AND account_id = m.account_id
      AND c.id IS NOT NULL
) adjusted ON true
CROSS JOIN LATERAL (
    SELECT month_end,
        greatest(1, least(month_end, local_day(now(), a.zones) + 1) - m.month)
            AS days_elapsed,
        local_day_start(m.month, a.zones) AS starts_at,
        least(now(), local_day_start(month_end, a.zones)) AS ends_at
    FROM next_billing_month(m.month, a.billing_day, a.earlier_billing_days) AS month_end
    OFFSET 0  -- computed once for all devices of a month, not for each use
) calendar
CROSS JOIN LATERAL installations_in(m.device_id, calendar.starts_at, calendar.ends_at) AS expected
CROSS JOIN LATERAL (
    SELECT CASE WHEN c.id IS NULL THEN m.total ELSE m.closed_total END AS total
) billed;

CREATE OR REPLACE VIEW billed_month AS
SELECT m.account_id, m.device_id, m.month, m.month_end, 'open' AS state,
    CASE WHEN d.account_id = m.account_id THEN g.id END AS gateway_id,
    CASE WHEN d.account_id = m.account_id THEN g.code ELSE '' END AS gateway_code,
    CASE WHEN d.account_id = m.account_id THEN g.name ELSE '' END AS gateway_name,
    CASE WHEN d.account_id = m.account_id THEN d.code ELSE '' END AS code,
    CASE WHEN d.account_id = m.account_id THEN d.name ELSE '' END AS name,
    CASE WHEN d.account_id = m.account_id THEN d."group" ELSE '' END AS "group",
    CASE WHEN d.account_id = m.account_id THEN d.kind ELSE '' END AS kind,
    i.measurement, i.unit, m.total, m.daily_mean, m.reading_mean, m.reading_sum, m.readings_count,
    m.coverage, m.estimated, m.first_register, m.last_register, m.minimum,
    m.maximum, '{}'::text[] AS quality
FROM monthly_consumption m
JOIN device d ON d.id = m.device_id
JOIN gateway g ON g.id = d.gateway_id
JOIN account a ON a.id = m.account_id
CROSS JOIN LATERAL (
    SELECT local_day_start(m.month, a.zones) AS since, local_day_start(m.month_end, a.zones) AS until
    OFFSET 0  -- computed once for all devices of a month
) span
CROSS JOIN LATERAL installation_of(m.device_id, span.since, span.until) AS i
WHERE m.state = 'open'
UNION ALL
SELECT account_id, device_id, month, month_end, 'closed', gateway_id, gateway_code, gateway_name, code,
    name, "group", kind, measurement, unit, total, daily_mean, reading_mean, reading_sum,
    readings_count, coverage, estimated, first_register, last_register, minimum, maximum,
    quality
FROM closed_line;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("telemetry", "0055_sign_in_failures"),
    ]

    operations = [
        migrations.AddField(
            model_name="account",
            name="zones",
            field=models.TextField(db_default="", default="", editable=False),
        ),
        migrations.AlterField(
            model_name="account",
            name="time_zone",
            field=models.CharField(
                default="UTC",
                help_text="IANA name, for example America/Sao_Paulo. Days and months begin in it. A change takes effect with the first month after those that are closed.",
                max_length=64,
                validators=[telemetry.models.accounts.validate_time_zone],
                verbose_name="time zone",
            ),
        ),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
        migrations.RunSQL(SQL, migrations.RunSQL.noop),
    ]
