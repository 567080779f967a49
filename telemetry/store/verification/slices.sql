-- name: verify_scope
-- The devices of a slice of hours: those that an account has, or had once, or all.
INSERT INTO verified_device (id, measurement, modulus, interval_s, is_replaced)
SELECT d.id, d.measurement, d.register_modulus, d.interval_s,
    d.id IN (SELECT device_id FROM meter_replacement)
FROM device d
WHERE %(account_id)s::bigint IS NULL OR d.account_id = %(account_id)s
    OR d.id IN (SELECT device_id FROM monthly_total WHERE account_id = %(account_id)s)

-- name: verify_accounts
-- The accounts of a slice of months: those with a month from %(month)s to %(until)s.
INSERT INTO verified_account (id, time_zone)
SELECT id, time_zone FROM account
WHERE id = coalesce(%(account_id)s, id)
  AND billing_month(%(month)s, billing_day, earlier_billing_days) = %(month)s
  AND next_billing_month(%(month)s, billing_day, earlier_billing_days) = %(until)s

-- name: verify_month_scope
-- The devices of a slice of months: those that its accounts have, and those that had hours of theirs
-- in the month from %(month)s to before %(until)s, or have rows there.
INSERT INTO verified_device (id, measurement, modulus, interval_s, is_replaced)
SELECT d.id, d.measurement, d.register_modulus, d.interval_s,
    d.id IN (SELECT device_id FROM meter_replacement)
FROM device d
WHERE d.account_id IN (SELECT id FROM verified_account)
    OR d.id IN (
        SELECT h.device_id FROM hourly_aggregate h
        WHERE h.account_id IN (SELECT id FROM verified_account)
          AND h.hour >= %(month)s::timestamp AT TIME ZONE 'UTC' - interval '1 day'
          AND h.hour < %(until)s::timestamp AT TIME ZONE 'UTC' + interval '1 day')
    OR d.id IN (
        SELECT m.device_id FROM monthly_total m
        WHERE m.account_id IN (SELECT id FROM verified_account)
          AND m.month >= %(month)s AND m.month < %(until)s)
    OR d.id IN (
        SELECT g.device_id FROM daily_aggregate g
        WHERE g.account_id IN (SELECT id FROM verified_account)
          AND g.day >= %(month)s AND g.day < %(until)s)

-- name: differ_closed_months
-- What closing recorded of months that begin from %(month)s to before %(until)s. Where a month is closed,
-- the closed total is the one that closing wrote down, 0 for a device that came later, and with the
-- adjustments it comes to the live total. Elsewhere there is neither.
WITH lines AS (
    SELECT j.device_id, j.month, j.account_id, sum(j.difference) AS adjustments
    FROM month_adjustment j JOIN verified_account a ON a.id = j.account_id
    WHERE j.month >= %(month)s AND j.month < %(until)s
    GROUP BY j.device_id, j.month, j.account_id
), totals AS (
    SELECT m.* FROM monthly_total m JOIN verified_account a ON a.id = m.account_id
    WHERE m.month >= %(month)s AND m.month < %(until)s
), closings AS (
    SELECT DISTINCT ON (e.account_id, e.month) e.account_id, e.month, e.totals
    FROM month_event e JOIN closed_month x USING (account_id, month)
    WHERE e.month >= %(month)s AND e.month < %(until)s AND e.kind = 'closed'
    ORDER BY e.account_id, e.month, e.at DESC, e.id DESC
), billed AS (
    SELECT c.account_id, c.month, device.key::bigint AS device_id,
        (device.value ->> 'closed_total')::numeric AS closed_total
    FROM closings c CROSS JOIN LATERAL jsonb_each(c.totals) AS device
), recorded AS (
    SELECT b.device_id, b.month, b.account_id, b.total, b.closed_total, b.adjustments, a.time_zone,
        x.id IS NOT NULL AS is_closed,
        CASE WHEN c.account_id IS NOT NULL THEN coalesce(b.billed_total, 0) END AS billed
    FROM (
        SELECT device_id, month, account_id, t.total, t.closed_total, l.adjustments,
            f.closed_total AS billed_total
        FROM totals t
        FULL JOIN lines l USING (device_id, month, account_id)
        FULL JOIN billed f USING (device_id, month, account_id)
    ) b
    JOIN verified_account a ON a.id = b.account_id
    LEFT JOIN closed_month x ON x.account_id = a.id AND x.month = b.month
    LEFT JOIN closings c ON c.account_id = a.id AND c.month = b.month
)
INSERT INTO difference (relation, device_id, key, starts_at, ends_at, since, account_id, actual,
    expected)
SELECT 'closed_month', device_id, month::text, local_day_start(month, time_zone),
    local_day_start(%(until)s, time_zone), 'infinity', account_id,
    jsonb_build_object('closed_total', closed_total, 'adjustments', adjustments,
        'closed_total + adjustments', coalesce(closed_total, 0) + coalesce(adjustments, 0)),
    jsonb_build_object(
        'closed_total', CASE WHEN is_closed THEN coalesce(billed, closed_total) END,
        'adjustments', CASE WHEN is_closed
            THEN coalesce(total, 0) - coalesce(billed, closed_total, 0) END,
        'closed_total + adjustments', CASE WHEN is_closed THEN coalesce(total, 0) ELSE 0 END)
FROM recorded
WHERE CASE WHEN is_closed
    THEN coalesce(closed_total, 0) + coalesce(adjustments, 0) <> coalesce(total, 0)
        OR coalesce(closed_total, 0) <> coalesce(billed, closed_total, 0)
        OR closed_total IS NULL AND total IS NOT NULL
    ELSE closed_total IS NOT NULL OR adjustments IS NOT NULL END

-- name: verify_hours
INSERT INTO expected_hour (device_id, hour, since, measurement, account_id, total, mean, minimum,
    maximum, first, first_at, last, last_at, readings_count, consumption, within)
SELECT device_id, hour,
    date_trunc('hour', coalesce(min(before_at), min(time)) - interval '1 microsecond', 'UTC'), measurement,
    first(account_id, received_at),
    sum(value), avg(value), min(value), max(value), first(value, time), min(time),
    last(value, time), max(time), count(*), sum(consumed),
    coalesce(sum(consumed) FILTER (WHERE before_at > hour), 0)
FROM counted
GROUP BY device_id, hour, measurement

-- name: differ_hours
-- Hours from %(start)s to %(end)s that are missing, too many or other than the readings say.
INSERT INTO difference (relation, device_id, key, starts_at, ends_at, since, actual, expected)
SELECT 'hourly_aggregate', device_id, to_char(hour AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI"Z"'),
    hour, hour + interval '1 hour', coalesce(e.since, hour),
    CASE WHEN a.readings_count IS NOT NULL THEN jsonb_build_object('account_id', a.account_id,
        'total', a.total, 'mean', a.mean, 'minimum', a.minimum, 'maximum', a.maximum,
        'first', a.first, 'last', a.last, 'readings_count', a.readings_count) END,
    CASE WHEN e.readings_count IS NOT NULL THEN jsonb_build_object('account_id', e.account_id,
        'total', e.total, 'mean', e.mean, 'minimum', e.minimum, 'maximum', e.maximum,
        'first', e.first, 'last', e.last, 'readings_count', e.readings_count) END
FROM expected_hour e
FULL JOIN (
    SELECT h.* FROM hourly_aggregate h JOIN verified_device d ON d.id = h.device_id
    WHERE h.hour >= %(start)s AND h.hour < %(end)s
) a USING (device_id, hour)
WHERE (a.account_id, a.total, a.mean, a.minimum, a.maximum, a.first, a.last, a.readings_count)
    IS DISTINCT FROM
    (e.account_id, e.total, e.mean, e.minimum, e.maximum, e.first, e.last, e.readings_count)

-- name: differ_registers
-- The same for what registers counted.
INSERT INTO difference (relation, device_id, key, starts_at, ends_at, since, actual, expected)
SELECT 'hourly_consumption', device_id,
    to_char(hour AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI"Z"'),
    hour, hour + interval '1 hour', coalesce(e.since, hour),
    CASE WHEN a.first_at IS NOT NULL THEN jsonb_build_object('account_id', a.account_id,
        'consumption', a.consumption, 'within', a.within, 'first', a.first,
        'first_at', a.first_at, 'last', a.last, 'last_at', a.last_at) END,
    CASE WHEN e.first_at IS NOT NULL THEN jsonb_build_object('account_id', e.account_id,
        'consumption', e.consumption, 'within', e.within, 'first', e.first,
        'first_at', e.first_at, 'last', e.last, 'last_at', e.last_at) END
FROM (SELECT * FROM expected_hour WHERE measurement = 'cumulative') e
FULL JOIN (
    SELECT h.* FROM hourly_consumption h JOIN verified_device d ON d.id = h.device_id
    WHERE h.hour >= %(start)s AND h.hour < %(end)s AND d.measurement = 'cumulative'
) a USING (device_id, hour)
WHERE (a.account_id, a.consumption, a.within, a.first, a.first_at, a.last, a.last_at)
    IS DISTINCT FROM
    (e.account_id, e.consumption, e.within, e.first, e.first_at, e.last, e.last_at)

-- name: verify_month_days
-- Local days of a month on which there may be readings, or is a row.
SELECT DISTINCT day FROM (
    SELECT generate_series(
        (range_start - %(offset)s) AT TIME ZONE 'UTC', (range_end + %(offset)s) AT TIME ZONE 'UTC',
        interval '1 day')::date
    FROM timescaledb_information.chunks WHERE hypertable_name = 'reading'
    UNION ALL
    SELECT g.day FROM daily_aggregate g JOIN verified_account a ON a.id = g.account_id
    WHERE g.day >= %(month)s AND g.day < %(until)s
) AS days (day)
WHERE day >= %(month)s AND day < %(until)s
ORDER BY day

-- name: differ_months
-- The billing month that begins on the local day %(month)s, as the sum of its days, which were
-- computed from the readings of the same snapshot. A row that begins on a later day of it is one too
-- many.
WITH expected AS (
    SELECT device_id, %(month)s::date AS month, account_id, min(since) AS since,
        sum(total) AS total, sum(reading_sum) AS reading_sum,
        min(minimum) AS minimum, max(maximum) AS maximum, first(first, day) AS first_register,
        last(last, day) AS last_register, sum(readings_count) AS readings_count,
        sum(intervals_seen) AS intervals_seen
    FROM expected_day
    GROUP BY device_id, account_id
), actual AS (
    SELECT m.* FROM monthly_total m
    JOIN verified_device d ON d.id = m.device_id
    JOIN verified_account c ON c.id = m.account_id
    WHERE m.month >= %(month)s AND m.month < %(until)s
      AND NOT (m.readings_count = 0 AND EXISTS (  -- billed, and all gone since
        SELECT FROM closed_month x WHERE x.account_id = m.account_id AND x.month = m.month))
)
INSERT INTO difference (relation, device_id, key, starts_at, ends_at, since, account_id, actual,
    expected)
SELECT 'monthly_total', device_id, month::text, local_day_start(month, c.time_zone),
    local_day_start(%(until)s, c.time_zone),
    date_trunc('hour', least(e.since, local_day_start(month, c.time_zone)), 'UTC'), account_id,
    CASE WHEN a.readings_count IS NOT NULL THEN jsonb_build_object(
        'total', a.total, 'reading_sum', a.reading_sum, 'minimum', a.minimum,
        'maximum', a.maximum, 'first_register', a.first_register,
        'last_register', a.last_register, 'readings_count', a.readings_count,
        'intervals_seen', a.intervals_seen) END,
    CASE WHEN e.readings_count IS NOT NULL THEN jsonb_build_object(
        'total', e.total, 'reading_sum', e.reading_sum, 'minimum', e.minimum,
        'maximum', e.maximum, 'first_register', e.first_register,
        'last_register', e.last_register, 'readings_count', e.readings_count,
        'intervals_seen', e.intervals_seen) END
FROM expected e
FULL JOIN actual a USING (device_id, month, account_id)
JOIN verified_account c ON c.id = account_id
WHERE local_day_start(month, c.time_zone) >= %(horizon)s
  AND (a.total, a.reading_sum, a.minimum, a.maximum, a.first_register, a.last_register,
        a.readings_count, a.intervals_seen)
    IS DISTINCT FROM
    (e.total, e.reading_sum, e.minimum, e.maximum, e.first_register, e.last_register,
        e.readings_count, e.intervals_seen)

-- name: verify_zones
-- Where the local day %(day)s begins and ends, in every zone of the accounts. Days that begin
-- before the horizon are left out: some of their readings may be gone.
INSERT INTO verified_zone (time_zone, starts_at, ends_at)
SELECT time_zone, starts_at, ends_at
FROM (
    SELECT time_zone, local_day_start(%(day)s, time_zone) AS starts_at,
        local_day_start(%(day)s::date + 1, time_zone) AS ends_at
    FROM (SELECT DISTINCT time_zone FROM verified_account) a
) zones
WHERE starts_at >= %(horizon)s
RETURNING starts_at, ends_at

-- name: verify_days
, placed AS (
    SELECT c.*, first_value(account_id) OVER (
            PARTITION BY device_id, hour ORDER BY received_at
        ) AS owner_id
    FROM counted c
), inside AS (
    SELECT p.*, CASE WHEN p.hour >= z.starts_at AND p.hour + interval '1 hour' <= z.ends_at
        THEN p.hour END AS whole_hour  -- null: the partial ends
    FROM placed p
    JOIN verified_account a ON a.id = p.owner_id
    JOIN verified_zone z ON z.time_zone = a.time_zone
    WHERE ((p.time - interval '1 microsecond') AT TIME ZONE a.time_zone)::date = %(day)s
), hours AS (
    SELECT device_id, owner_id, measurement, interval_s, whole_hour,
        min(coalesce(before_at, time)) AS since, min(time) AS first_at, max(time) AS last_at,
        sum(consumed) AS consumed, sum(value) AS total, min(value) AS minimum, max(value) AS maximum,
        first(value, time) AS first, last(value, time) AS last, count(*) AS readings
    FROM inside
    GROUP BY device_id, owner_id, measurement, interval_s, whole_hour
)
INSERT INTO expected_day (device_id, day, since, account_id, total, reading_sum, minimum, maximum,
    first, last, readings_count, intervals_seen)
SELECT device_id, %(day)s, date_trunc('hour', min(since) - interval '1 microsecond', 'UTC'), owner_id,
    sum(consumed), sum(total), min(minimum), max(maximum), first(first, first_at),
    last(last, last_at), sum(readings),
    sum(least(readings, greatest(1, 3600.0 / coalesce(interval_s, 3600))))
FROM hours
GROUP BY device_id, owner_id

-- name: differ_days
-- The local day %(day)s: rows that are missing, too many or other than the readings say.
INSERT INTO difference (relation, device_id, key, starts_at, ends_at, since, account_id, actual,
    expected)
SELECT 'daily_aggregate', device_id, day::text, z.starts_at, z.ends_at,
    date_trunc('hour', least(e.since, z.starts_at), 'UTC'), account_id,
    CASE WHEN a.readings_count IS NOT NULL THEN jsonb_build_object(
        'total', a.total, 'reading_sum', a.reading_sum, 'minimum', a.minimum,
        'maximum', a.maximum, 'first', a.first, 'last', a.last,
        'readings_count', a.readings_count, 'intervals_seen', a.intervals_seen) END,
    CASE WHEN e.readings_count IS NOT NULL THEN jsonb_build_object(
        'total', e.total, 'reading_sum', e.reading_sum, 'minimum', e.minimum,
        'maximum', e.maximum, 'first', e.first, 'last', e.last,
        'readings_count', e.readings_count, 'intervals_seen', e.intervals_seen) END
FROM (SELECT * FROM expected_day WHERE day = %(day)s) e
FULL JOIN (
    SELECT h.* FROM daily_aggregate h
    JOIN verified_device d ON d.id = h.device_id
    JOIN verified_account c ON c.id = h.account_id
    WHERE h.day = %(day)s
) a USING (device_id, day, account_id)
JOIN verified_account c ON c.id = account_id
JOIN verified_zone z ON z.time_zone = c.time_zone
WHERE (a.total, a.reading_sum, a.minimum, a.maximum, a.first, a.last,
        a.readings_count, a.intervals_seen)
    IS DISTINCT FROM
    (e.total, e.reading_sum, e.minimum, e.maximum, e.first, e.last,
        e.readings_count, e.intervals_seen)

-- name: verify_before
-- The last reading up to %(start)s of registers that have one after it, up to %(end)s, looked for
-- after %(from)s, up to %(to)s.
INSERT INTO value_before (device_id, value, time)
SELECT d.id, p.value, p.time
FROM verified_device d
CROSS JOIN LATERAL (
    SELECT r.value, r.time FROM reading r
    WHERE r.device_id = d.id AND r.time > %(from)s AND r.time <= %(to)s
    ORDER BY r.time DESC LIMIT 1
) p
WHERE d.measurement = 'cumulative'
  AND NOT EXISTS (SELECT FROM value_before b WHERE b.device_id = d.id)
  AND EXISTS (SELECT FROM reading r
              WHERE r.device_id = d.id AND r.time > %(start)s AND r.time <= %(end)s)

-- name: verify_dropped_before
-- Registers whose readings before were dropped: their last value that was kept.
INSERT INTO value_before (device_id, value, time)
SELECT d.id, p.last, p.last_at
FROM verified_device d
CROSS JOIN LATERAL (
    SELECT c.last, c.last_at FROM hourly_consumption c
    WHERE c.device_id = d.id AND c.hour < %(horizon)s
    ORDER BY c.hour DESC LIMIT 1
) p
WHERE d.measurement = 'cumulative'
  AND NOT EXISTS (SELECT FROM value_before b WHERE b.device_id = d.id)

-- name: verify_steps
-- Readings after %(start)s, up to %(end)s, with what was consumed since the one before, in the order
-- of time over the whole device, and the hour that counts them. The rules are written out a second
-- time here, on purpose: what proves the refresh must not call it.
WITH steps AS (
    SELECT r.device_id, r.account_id, r.received_at, r.time, r.value, d.measurement, d.modulus, d.interval_s,
        d.is_replaced, date_trunc('hour', r.time - interval '1 microsecond', 'UTC') AS hour,
        coalesce(lag(r.value) OVER by_time, b.value) AS before,
        coalesce(lag(r.time) OVER by_time, b.time) AS before_at
    FROM reading r
    JOIN verified_device d ON d.id = r.device_id
    LEFT JOIN value_before b ON b.device_id = r.device_id
    WHERE r.time > %(start)s AND r.time <= %(end)s
    WINDOW by_time AS (PARTITION BY r.device_id ORDER BY r.time)
), shifted AS (
    SELECT *, CASE WHEN is_replaced THEN (
        SELECT sum(p.old_value) - sum(p.new_value) FROM meter_replacement p
        WHERE p.device_id = steps.device_id AND p.at > steps.before_at AND p.at <= steps.time
    ) END AS shift
    FROM steps
), counted AS (
    SELECT *, CASE measurement
        WHEN 'delta' THEN value
        WHEN 'cumulative' THEN CASE
            WHEN before IS NULL THEN 0
            WHEN shift IS NOT NULL THEN value - before + shift
            WHEN value >= least(before, before * 0.9) THEN value - before
            ELSE value + coalesce(modulus - before, 0)
        END
    END AS consumed
    FROM shifted
)

-- name: verify_unknown_before
-- Whether a register with readings after %(start)s, up to %(end)s, has no reading before them yet.
SELECT EXISTS (
    SELECT FROM verified_device d
    WHERE d.measurement = 'cumulative'
      AND NOT EXISTS (SELECT FROM value_before b WHERE b.device_id = d.id)
      AND EXISTS (SELECT FROM reading r
                  WHERE r.device_id = d.id AND r.time > %(start)s AND r.time <= %(end)s)
)
