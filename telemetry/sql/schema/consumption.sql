-- The rules of consumption, in one place. telemetry/core/consumption.py says the same in Python;
-- tests hold the two against each other.

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

-- Readings that an hour can count for: one, or as many as the device's interval has in an hour.
CREATE FUNCTION intervals_an_hour(interval_s integer) RETURNS numeric
LANGUAGE sql IMMUTABLE AS $$
    SELECT greatest(1, 3600::numeric / coalesce(interval_s, 3600))
$$;

-- The time zone that applies on a day. `zone` is a name, or account.zones: the name of now, then
-- `first day=name` for each zone of before, which applies until that day, in order.
CREATE FUNCTION zone_on(day date, zone text) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN strpos(zone, ' ') = 0 THEN zone ELSE coalesce((
        SELECT split_part(rule, '=', 2)
        FROM unnest((string_to_array(zone, ' '))[2:]) WITH ORDINALITY AS r (rule, number)
        WHERE split_part(rule, '=', 1)::date > day
        ORDER BY number LIMIT 1
    ), split_part(zone, ' ', 1)) END
$$;

-- The first instant of a day in a time zone. A midnight that comes twice (Atlantic/Azores) starts the day
-- the first time; one that is left out (Chile) is the instant of the change.
CREATE FUNCTION day_start_in(day date, name text) RETURNS timestamptz
LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN ((later - interval '1 hour') AT TIME ZONE name)::date >= day
        THEN later - interval '1 hour' ELSE later END
    FROM (SELECT day::timestamp AT TIME ZONE name AS later) AS midnight
$$;

-- The first instant of a local day. A day begins where the day before it ends, so the first one in a new
-- zone begins by the clock of the zone before. Without a sub-select, so that the planner puts it in
-- place of its call.
CREATE FUNCTION local_day_start(day date, zone text) RETURNS timestamptz
LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN strpos(zone, ' ') = 0 THEN day_start_in(day, zone)
        ELSE day_start_in(day, zone_on(day - 1, zone)) END
$$;

-- The local day that an instant lies in, where the zone changed: before the first day of a zone it is
-- still a day of the one before.
CREATE FUNCTION local_day_of_zones(at timestamptz, zone text) RETURNS date LANGUAGE plpgsql STABLE AS $$
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

-- The local day that an instant lies in: at midnight, the day that begins. Without a sub-select, so
-- that the planner puts it in place of its call: a refresh calls it for each hour.
CREATE FUNCTION local_day(at timestamptz, zone text) RETURNS date LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN strpos(zone, ' ') = 0 THEN (at AT TIME ZONE zone)::date
        ELSE local_day_of_zones(at, zone) END
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
            AND NOT is_day_of_whole_hours(local_day(hour, zone), zone)
            AND local_day_start(local_day(hour, zone), zone) < dropped_before
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
