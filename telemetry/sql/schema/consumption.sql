-- The rules of consumption, in one place. telemetry/core/consumption.py says the same in Python;
-- tests hold the two against each other.

-- What a register counted between two readings. `before` is null for the first reading ever;
-- `replaced` is what replaced_between says, null without a replacement between them.
-- A fall of up to a tenth is noise and evens out; a greater one is a rollover where the modulus is
-- known, a new cycle from zero elsewhere. Source: Home Assistant, sensor/recorder.py,
-- reset_detected, and its developers' documentation of the state class total_increasing.
CREATE FUNCTION register_increment(modulus numeric, before numeric, after numeric, replaced numeric)
RETURNS numeric LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE
        WHEN before IS NULL THEN 0
        WHEN replaced IS NOT NULL THEN after - before + replaced
        WHEN after >= before OR after >= 0.9 * before THEN after - before
        WHEN modulus IS NOT NULL THEN modulus - before + after
        ELSE after
    END
$$;

-- The replacements of a register in (before_at, after_at], telescoped: (old - before) + ... +
-- (after - new) is after - before + the sum of (old - new). Null when there are none.
CREATE FUNCTION replaced_between(device bigint, before_at timestamptz, after_at timestamptz)
RETURNS numeric LANGUAGE sql STABLE AS $$
    SELECT sum(old_value - new_value) FROM meter_replacement
    WHERE device_id = device AND at > before_at AND at <= after_at
$$;

-- Readings that an hour can count for: one, or as many as the device's interval has in an hour.
CREATE FUNCTION intervals_an_hour(interval_s integer) RETURNS numeric
LANGUAGE sql IMMUTABLE AS $$
    SELECT greatest(1, 3600::numeric / coalesce(interval_s, 3600))
$$;

-- The first instant of a local day. A midnight that comes twice (Atlantic/Azores) starts the day
-- the first time; one that is left out (Chile) is the instant of the change.
CREATE FUNCTION local_day_start(day date, zone text) RETURNS timestamptz
LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN ((later - interval '1 hour') AT TIME ZONE zone)::date >= day
        THEN later - interval '1 hour' ELSE later END
    FROM (SELECT day::timestamp AT TIME ZONE zone AS later) AS midnight
$$;

-- Whether a local day begins and ends on whole UTC hours.
CREATE FUNCTION is_day_of_whole_hours(day date, zone text) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT extract(minute FROM local_day_start(day, zone) AT TIME ZONE 'UTC') = 0
       AND extract(minute FROM local_day_start(day + 1, zone) AT TIME ZONE 'UTC') = 0
$$;

-- Whether an hour can not be computed again: its raw readings were dropped, or some of those of its
-- local day were, where the day has to be read whole from raw readings.
CREATE FUNCTION is_hour_dropped(hour timestamptz, zone text, dropped_before timestamptz)
RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT hour < dropped_before
        OR hour < dropped_before + interval '2 days'
            AND NOT is_day_of_whole_hours((hour AT TIME ZONE zone)::date, zone)
            AND local_day_start((hour AT TIME ZONE zone)::date, zone) < dropped_before
$$;

-- The day of a day's calendar month on which a billing month begins: its last, if it has no such day.
CREATE FUNCTION begin_billing_month(day date, billing_day integer) RETURNS date
LANGUAGE sql IMMUTABLE AS $$
    SELECT least(
        date_trunc('month', day::timestamp) + (billing_day - 1) * interval '1 day',
        date_trunc('month', day::timestamp) + interval '1 month - 1 day'
    )::date
$$;

-- The billing day that applies on a day, from when and until when (null: always). `earlier` is
-- account.earlier_billing_days: [until, billing day], in order.
CREATE FUNCTION billing_rule(day date, billing_day integer, earlier jsonb,
    OUT since date, OUT until date, OUT begins_on integer)
LANGUAGE sql IMMUTABLE AS $$
    SELECT max(r.until) FILTER (WHERE r.until <= day), min(r.until) FILTER (WHERE r.until > day),
        coalesce((array_agg(r.begins_on ORDER BY r.until) FILTER (WHERE r.until > day))[1], billing_day)
    FROM (
        SELECT (rule ->> 0)::date AS until, (rule ->> 1)::integer AS begins_on
        FROM jsonb_array_elements(earlier) AS rule
    ) r
$$;

-- The first day of the billing month that a day belongs to.
CREATE FUNCTION billing_month(day date, billing_day integer, earlier jsonb) RETURNS date
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN earlier = '[]' THEN
        CASE WHEN begin_billing_month(day, billing_day) <= day
            THEN begin_billing_month(day, billing_day)
            ELSE begin_billing_month((day - interval '1 month')::date, billing_day) END
    ELSE (
        SELECT greatest(r.since, billing_month(day, r.begins_on, '[]'))
        FROM billing_rule(day, billing_day, earlier) AS r
    ) END
$$;

-- The first day of the billing month after the one that begins on `month`.
CREATE FUNCTION next_billing_month(month date, billing_day integer, earlier jsonb) RETURNS date
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN earlier = '[]' THEN
        CASE WHEN begin_billing_month(month, billing_day) > month
            THEN begin_billing_month(month, billing_day)
            ELSE begin_billing_month((month + interval '1 month')::date, billing_day) END
    ELSE (
        SELECT least(r.until, next_billing_month(month, r.begins_on, '[]'))
        FROM billing_rule(month, billing_day, earlier) AS r
    ) END
$$;
