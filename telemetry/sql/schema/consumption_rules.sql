-- The rules of consumption, in one place. telemetry/core/consumption.py says the same in Python;
-- tests hold the two against each other.

-- What a register counted between two readings. `before` is null for the first reading ever.
-- Replacements in (before_at, after_at] telescope: (old - before) + ... + (after - new).
-- A fall of up to a tenth is noise and evens out; a greater one is a rollover where the modulus is
-- known, a new cycle from zero elsewhere. Source: Home Assistant, sensor/recorder.py,
-- reset_detected, and its developers' documentation of the state class total_increasing.
CREATE FUNCTION register_increment(device bigint, modulus numeric, before numeric,
    before_at timestamptz, after numeric, after_at timestamptz) RETURNS numeric
LANGUAGE sql STABLE AS $$
    SELECT CASE
        WHEN before IS NULL THEN 0
        WHEN EXISTS (SELECT FROM meter_replacement p
                     WHERE p.device_id = device AND p.at > before_at AND p.at <= after_at)
            THEN after - before + (
                SELECT sum(p.old_value - p.new_value) FROM meter_replacement p
                WHERE p.device_id = device AND p.at > before_at AND p.at <= after_at)
        WHEN after >= before OR after >= 0.9 * before THEN after - before
        WHEN modulus IS NOT NULL THEN modulus - before + after
        ELSE after
    END
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

-- Whether a local day begins and ends on whole UTC hours, so that hourly rows make it up exactly.
CREATE FUNCTION is_day_of_whole_hours(day date, zone text) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT extract(minute FROM local_day_start(day, zone) AT TIME ZONE 'UTC') = 0
       AND extract(minute FROM local_day_start(day + 1, zone) AT TIME ZONE 'UTC') = 0
$$;

-- The first day of the billing month that a day belongs to. Billing days go up to 28.
CREATE FUNCTION billing_month(day date, billing_day integer) RETURNS date
LANGUAGE sql IMMUTABLE AS $$
    SELECT date_trunc('month', (day - (billing_day - 1))::timestamp)::date + (billing_day - 1)
$$;

CREATE FUNCTION next_billing_month(month date) RETURNS date
LANGUAGE sql IMMUTABLE AS $$ SELECT (month + interval '1 month')::date $$;
