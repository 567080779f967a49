-- name: verify_scope
-- The devices of a slice of hours: those that an account has, or had once, or all.
INSERT INTO verified_device (id)
SELECT d.id FROM device d
WHERE %(account_id)s::bigint IS NULL OR d.account_id = %(account_id)s
    OR d.id IN (SELECT device_id FROM monthly_total WHERE account_id = %(account_id)s)

-- name: verify_accounts
-- The accounts of a slice of months: those with a month from %(month)s to %(until)s.
INSERT INTO verified_account (id, zones)
SELECT id, zones FROM account
WHERE id = coalesce(%(account_id)s, id)
  AND billing_month(%(month)s, billing_day, earlier_billing_days) = %(month)s
  AND next_billing_month(%(month)s, billing_day, earlier_billing_days) = %(until)s

-- name: verify_month_scope
-- The devices of a slice of months: those that its accounts have or had once, and those that have days of
-- theirs in the month from %(month)s to before %(until)s.
INSERT INTO verified_device (id)
SELECT d.id FROM device d
WHERE d.account_id IN (SELECT id FROM verified_account)
    OR d.gateway_id IN (
        SELECT gateway_id FROM assignment WHERE account_id IN (SELECT id FROM verified_account))
    OR EXISTS (  -- OFFSET 0: one index range for each device
        SELECT FROM monthly_total m JOIN verified_account a ON a.id = m.account_id
        WHERE m.device_id = d.id
        OFFSET 0)
    OR EXISTS (
        SELECT FROM daily_aggregate g JOIN verified_account a ON a.id = g.account_id
        WHERE g.device_id = d.id AND g.day >= %(month)s AND g.day < %(until)s
        OFFSET 0)

-- name: verify_meters
-- Which meter a device had when.
INSERT INTO verified_meter (device_id, number, since, until, measurement, factor, modulus, is_net,
    interval_s, longest_step, old_register, first_register, is_change, is_after_gauge)
SELECT i.device_id, row_number() OVER by_time, coalesce(i.since, '-infinity'),
    lead(i.since, 1, 'infinity') OVER by_time, i.measurement, i.factor, i.register_modulus,
    i.is_net, coalesce(i.interval_s, 3600),
    CASE WHEN a.spreads_gaps THEN interval '2 seconds' * coalesce(i.interval_s, 3600) END,
    i.old_register, i.first_register,
    i.measurement <> 'gauge' OR coalesce(lag(i.measurement) OVER by_time <> 'gauge', false),
    coalesce(lag(i.measurement) OVER by_time = 'gauge', false)
FROM installation i
JOIN verified_device v ON v.id = i.device_id
JOIN device d ON d.id = i.device_id
JOIN account a ON a.id = d.account_id
WHERE i.undone_at IS NULL
WINDOW by_time AS (PARTITION BY i.device_id ORDER BY i.since NULLS FIRST)

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
    SELECT b.device_id, b.month, b.account_id, b.total, b.closed_total, b.adjustments, a.zones,
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
SELECT 'closed_month', device_id, month::text, local_day_start(month, zones),
    local_day_start(%(until)s, zones), 'infinity', account_id,
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

-- name: differ_closed_lines
-- The lines of closed months that begin from %(month)s to before %(until)s, from which they are billed: all
-- of a line is what closing wrote down; of months that were closed before lines were, the total.
WITH closings AS (
    SELECT DISTINCT ON (e.account_id, e.month) e.account_id, e.month, e.totals, e.lines, a.zones
    FROM month_event e
    JOIN closed_month x USING (account_id, month)
    JOIN verified_account a ON a.id = e.account_id
    WHERE e.month >= %(month)s AND e.month < %(until)s AND e.kind = 'closed'
    ORDER BY e.account_id, e.month, e.at DESC, e.id DESC
)
INSERT INTO difference (relation, device_id, key, starts_at, ends_at, since, account_id, actual,
    expected)
SELECT 'closed_line', b.device_id, c.month::text, local_day_start(c.month, c.zones),
    local_day_start(%(until)s, c.zones), 'infinity', c.account_id,
    found.line, b.line
FROM closings c
CROSS JOIN LATERAL (
    SELECT key::bigint AS device_id, value - 'id' AS line FROM jsonb_each(c.lines)
    UNION ALL
    SELECT key::bigint, jsonb_build_object('total', (value ->> 'closed_total')::numeric)
    FROM jsonb_each(c.totals)
    WHERE c.lines = '{}' AND value ->> 'closed_total' IS NOT NULL
) b
LEFT JOIN closed_line l ON l.account_id = c.account_id AND l.month = c.month
    AND l.device_id = b.device_id
CROSS JOIN LATERAL (
    SELECT CASE WHEN c.lines = '{}' THEN jsonb_build_object('total', l.total) ELSE to_jsonb(l) - 'id' END
        AS line WHERE l.id IS NOT NULL
    UNION ALL
    SELECT NULL WHERE l.id IS NULL
) found
WHERE found.line IS DISTINCT FROM b.line

-- name: differ_readings
-- Readings of hours from %(start)s to %(end)s that do not count as their edit says, or that are not the
-- account's that had the gateway at their time.
INSERT INTO difference (relation, device_id, key, starts_at, ends_at, since, actual, expected)
SELECT 'reading', w.device_id, to_char(w.time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
    h.hour, h.hour + interval '1 hour', 'infinity', w.actual, w.expected
FROM (
    SELECT e.device_id, e.time,
        CASE WHEN r.time IS NOT NULL THEN jsonb_build_object('value', r.value) END AS actual,
        CASE WHEN e.after IS NOT NULL THEN jsonb_build_object('value', e.after) END AS expected
    FROM edited_reading e
    JOIN verified_device v ON v.id = e.device_id
    LEFT JOIN reading r ON r.device_id = e.device_id AND r.time = e.time
        AND r.time > %(start)s AND r.time <= %(end)s
    WHERE e.is_current AND e.time > %(start)s AND e.time <= %(end)s
      AND r.value IS DISTINCT FROM e.after
    UNION ALL
    SELECT r.device_id, r.time, jsonb_build_object('account_id', r.account_id),
        jsonb_build_object('account_id', p.account_id)
    FROM assignment_period p
    JOIN device d ON d.gateway_id = p.gateway_id
    JOIN verified_device v ON v.id = d.id
    JOIN reading r ON r.device_id = d.id AND r.time > %(start)s AND r.time <= %(end)s
    WHERE r.time > p.since AND r.time <= p.until AND r.account_id <> p.account_id
) w
CROSS JOIN LATERAL (SELECT date_trunc('hour', w.time - interval '1 microsecond', 'UTC') AS hour) h

-- name: verify_hours
, hours AS (
    SELECT device_id, hour, max(longest_step) AS longest_step, is_uneven,
        bool_or(measurement <> 'gauge') AS counts, first(before_at, time) AS before_at, first(consumed, time) AS step,
        first(account_id, received_at) AS account_id, sum(value) AS total, avg(value) AS mean,
        min(value) AS minimum, max(value) AS maximum, first(value, time) AS first,
        min(time) AS first_at, last(value, time) AS last, max(time) AS last_at, count(*) AS readings,
        sum(consumed) AS consumed
    FROM counted
    GROUP BY device_id, hour, is_uneven
)
INSERT INTO expected_hour (device_id, hour, since, counts, account_id, total, mean, minimum,
    maximum, first, first_at, last, last_at, readings_count, consumption, within, step_from, step_to,
    is_gap, height, height_at)
SELECT device_id, hour,
    date_trunc('hour', coalesce(before_at, first_at) - interval '1 microsecond', 'UTC'),
    counts, account_id, total, mean, minimum, maximum, first, first_at, last, last_at, readings,
    CASE WHEN is_uneven THEN 0 ELSE consumed END, CASE WHEN is_uneven THEN 0 ELSE consumed - step END,
    CASE WHEN NOT is_uneven THEN before_at END,
    CASE WHEN NOT is_uneven AND before_at IS NOT NULL THEN first_at END,
    coalesce(NOT is_uneven AND before_at < hour AND first_at - before_at > longest_step, false),
    CASE WHEN NOT is_uneven THEN last END, CASE WHEN NOT is_uneven THEN last_at END
FROM hours

-- name: verify_uneven_hours
-- The same for what was counted where registers do not simply rise, or a meter is changed: also in
-- hours without readings.
WITH steps AS (
    SELECT device_id, date_trunc('hour', at - interval '1 microsecond', 'UTC') AS hour, consumed, at,
        since, number, height, meter,
        coalesce(date_trunc('hour', since - interval '1 microsecond', 'UTC')
            < date_trunc('hour', at - interval '1 microsecond', 'UTC'), true) AS is_step
    FROM uneven_step s
    WHERE at > %(start)s AND at <= %(end)s
      -- A change at the very end of an hour of a gauge is not of that hour.
      AND NOT (since IS NULL AND at = date_trunc('hour', at, 'UTC') AND EXISTS (
        SELECT FROM verified_meter m
        WHERE m.device_id = s.device_id AND m.number = s.meter AND m.since = s.at
          AND m.is_after_gauge))
), hours AS (
    SELECT device_id, hour, sum(consumed) AS consumption,
        coalesce(sum(consumed) FILTER (WHERE NOT is_step), 0) AS within,
        min(since) FILTER (WHERE is_step) AS step_from,
        min(at) FILTER (WHERE is_step AND since IS NOT NULL) AS step_to,
        min(meter) FILTER (WHERE is_step AND since IS NOT NULL) AS meter
    FROM steps
    GROUP BY device_id, hour
)
INSERT INTO expected_hour AS e (device_id, hour, since, counts, consumption, within, step_from,
    step_to, is_gap)
SELECT h.device_id, h.hour, coalesce(h.step_from, h.hour), true, h.consumption, h.within,
    h.step_from, h.step_to,
    coalesce(h.step_from < h.hour AND h.step_to - h.step_from > m.longest_step, false)
FROM hours h
LEFT JOIN verified_meter m ON m.device_id = h.device_id AND m.number = h.meter
ON CONFLICT (device_id, hour) DO UPDATE SET counts = true,
    consumption = excluded.consumption, within = excluded.within, step_from = excluded.step_from,
    step_to = excluded.step_to, is_gap = excluded.is_gap, since = least(e.since, excluded.since)

-- name: verify_uneven_heights
-- And what such a register has reached at the end of each hour.
UPDATE expected_hour e SET height = r.height, height_at = r.height_at
FROM (
    SELECT h.device_id, h.hour, coalesce(s.height, b.height) AS height,
        coalesce(s.at, b.height_at) AS height_at
    FROM expected_hour h
    JOIN uneven_device u ON u.device_id = h.device_id
    LEFT JOIN value_before b ON b.device_id = h.device_id
    LEFT JOIN LATERAL (
        SELECT n.height, n.at FROM uneven_step n
        WHERE n.device_id = h.device_id AND n.at <= h.hour + interval '1 hour'
        ORDER BY n.number DESC LIMIT 1
    ) s ON true
) r
WHERE e.device_id = r.device_id AND e.hour = r.hour

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
FROM (SELECT * FROM expected_hour WHERE readings_count IS NOT NULL) e
FULL JOIN (
    SELECT h.* FROM hourly_aggregate h JOIN verified_device d ON d.id = h.device_id
    WHERE h.hour >= %(start)s AND h.hour < %(end)s
) a USING (device_id, hour)
WHERE (a.account_id, a.total, a.mean, a.minimum, a.maximum, a.first, a.last, a.readings_count)
    IS DISTINCT FROM
    (e.account_id, e.total, e.mean, e.minimum, e.maximum, e.first, e.last, e.readings_count)

-- name: differ_registers
-- The same for what registers and deltas counted; where steps are kept, they add up. An hour without
-- readings is the account's that had the device then; of one that never moved the account is left out.
WITH compared AS (
    SELECT device_id, hour, e.since, a.device_id IS NOT NULL AS is_actual,
        e.device_id IS NOT NULL AS is_expected,
        jsonb_build_object('account_id', 
                CASE WHEN a.first IS NOT NULL OR assigned.id IS NOT NULL THEN a.account_id END,
            'consumption', a.consumption, 'within', a.within, 'step', a.step,
            'step_from', a.step_from, 'step_to', CASE WHEN a.step_from IS NOT NULL THEN a.step_to END,
            'is_gap', a.is_gap, 'first', a.first, 'first_at', a.first_at, 'last', a.last,
            'last_at', a.last_at, 'height', coalesce(a.height, a.last),
            'height_at', coalesce(a.height_at, a.last_at), 'steps', s.total) AS actual,
        jsonb_build_object('account_id', 
                CASE WHEN e.first IS NOT NULL THEN e.account_id ELSE assigned.id END,
            'consumption', e.consumption, 'within', e.within, 'step', e.consumption - e.within,
            'step_from', e.step_from, 'step_to', e.step_to,
            'is_gap', e.is_gap, 'first', e.first, 'first_at', e.first_at, 'last', e.last,
            'last_at', e.last_at, 'height', e.height, 'height_at', e.height_at,
            'steps', CASE WHEN s.total IS NOT NULL THEN e.consumption END) AS expected
    FROM (SELECT * FROM expected_hour WHERE counts) e
    FULL JOIN (
        SELECT h.* FROM hourly_consumption h JOIN verified_device d ON d.id = h.device_id
        WHERE h.hour >= %(start)s AND h.hour < %(end)s
    ) a USING (device_id, hour)
    CROSS JOIN LATERAL (
        SELECT CASE WHEN a.steps IS NOT NULL THEN coalesce(sum((one ->> 1)::numeric), 0) END AS total
        FROM jsonb_array_elements(a.steps) AS one
    ) s
    CROSS JOIN LATERAL (
        SELECT CASE WHEN coalesce(a.first, e.first) IS NULL THEN (
            SELECT p.account_id FROM device d JOIN assignment_period p ON p.gateway_id = d.gateway_id
            WHERE d.id = device_id AND hour >= p.since AND hour < p.until
        ) END AS id
    ) assigned
)
INSERT INTO difference (relation, device_id, key, starts_at, ends_at, since, actual, expected)
SELECT 'hourly_consumption', device_id,
    to_char(hour AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI"Z"'),
    hour, hour + interval '1 hour', coalesce(since, hour),
    CASE WHEN is_actual THEN actual END, CASE WHEN is_expected THEN expected END
FROM compared
WHERE NOT is_actual OR NOT is_expected OR actual <> expected

-- name: verify_month_days
-- Local days of a month on which there may be readings, or is a row.
SELECT DISTINCT day FROM (
    SELECT generate_series(
        (range_start - %(offset)s) AT TIME ZONE 'UTC', (range_end + %(offset)s) AT TIME ZONE 'UTC',
        interval '1 day')::date
    FROM timescaledb_information.chunks WHERE hypertable_name = 'reading'
    UNION ALL
    SELECT g.day FROM verified_device d
    CROSS JOIN LATERAL (
        SELECT day, account_id FROM daily_aggregate
        WHERE device_id = d.id AND day >= %(month)s AND day < %(until)s OFFSET 0
    ) g
    JOIN verified_account a ON a.id = g.account_id
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
        min(minimum) AS minimum, max(maximum) AS maximum,
        first(first, day) FILTER (WHERE first IS NOT NULL) AS first_register,
        last(last, day) FILTER (WHERE last IS NOT NULL) AS last_register,
        sum(readings_count) AS readings_count, sum(intervals_seen) AS intervals_seen
    FROM expected_day
    GROUP BY device_id, account_id
), estimates AS (
    -- What the month got of gaps that reach over one of its ends.
    SELECT e.device_id, e.account_id, coalesce(sum(
        consumed_until(g.step, g.step_from, g.step_to, z.ends_at)
        - consumed_until(g.step, g.step_from, g.step_to, z.starts_at)), 0) AS estimated
    FROM expected e
    JOIN verified_account c ON c.id = e.account_id
    CROSS JOIN LATERAL (
        SELECT local_day_start(%(month)s, c.zones) AS starts_at,
            local_day_start(%(until)s, c.zones) AS ends_at
    ) z
    LEFT JOIN LATERAL (
        SELECT * FROM hourly_consumption
        WHERE device_id = e.device_id AND is_gap AND hour > z.starts_at - interval '1 hour'
          AND hour < z.ends_at
        UNION ALL
        (SELECT * FROM hourly_consumption
         WHERE device_id = e.device_id AND is_gap AND hour >= z.ends_at ORDER BY hour LIMIT 1)
    ) g ON g.account_id = e.account_id AND e.total IS NOT NULL
        AND g.step_from < z.ends_at AND g.step_to > z.starts_at
        AND (g.step_from < z.starts_at OR g.step_to > z.ends_at)
    GROUP BY e.device_id, e.account_id
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
SELECT 'monthly_total', device_id, month::text, local_day_start(month, c.zones),
    local_day_start(%(until)s, c.zones),
    date_trunc('hour', least(e.since, local_day_start(month, c.zones)), 'UTC'), account_id,
    CASE WHEN a.readings_count IS NOT NULL THEN jsonb_build_object(
        'total', a.total, 'reading_sum', a.reading_sum, 'minimum', a.minimum,
        'maximum', a.maximum, 'first_register', a.first_register,
        'last_register', a.last_register, 'readings_count', a.readings_count,
        'intervals_seen', a.intervals_seen, 'estimated', a.estimated) END,
    CASE WHEN e.readings_count IS NOT NULL THEN jsonb_build_object(
        'total', e.total, 'reading_sum', e.reading_sum, 'minimum', e.minimum,
        'maximum', e.maximum, 'first_register', e.first_register,
        'last_register', e.last_register, 'readings_count', e.readings_count,
        'intervals_seen', e.intervals_seen, 'estimated', s.estimated) END
FROM expected e
FULL JOIN actual a USING (device_id, month, account_id)
LEFT JOIN estimates s USING (device_id, account_id)
JOIN verified_account c ON c.id = account_id
WHERE local_day_start(month, c.zones) >= %(horizon)s
  AND (a.total, a.reading_sum, a.minimum, a.maximum, a.first_register, a.last_register,
        a.readings_count, a.intervals_seen, a.estimated)
    IS DISTINCT FROM
    (e.total, e.reading_sum, e.minimum, e.maximum, e.first_register, e.last_register,
        e.readings_count, e.intervals_seen, s.estimated)

-- name: clear_day
-- What was found for the day before of the same month.
DELETE FROM verified_zone;
DELETE FROM value_before;
DELETE FROM uneven_device;
DELETE FROM uneven_step

-- name: verify_zones
-- Where the local day %(day)s begins and ends, in every zone of the accounts. Days that begin
-- before the horizon are left out: some of their readings may be gone.
INSERT INTO verified_zone (zones, starts_at, ends_at)
SELECT zones, starts_at, ends_at
FROM (
    SELECT zones, local_day_start(%(day)s, zones) AS starts_at,
        local_day_start(%(day)s::date + 1, zones) AS ends_at
    FROM (SELECT DISTINCT zones FROM verified_account) a
) each
WHERE starts_at >= %(horizon)s
RETURNING starts_at, ends_at

-- name: verify_days
, placed AS (
    SELECT c.*, first_value(account_id) OVER (
            PARTITION BY device_id, hour ORDER BY received_at
        ) AS owner_id
    FROM counted c
), inside AS (
    SELECT p.*, z.starts_at, z.ends_at,
        CASE WHEN p.hour >= z.starts_at AND p.hour + interval '1 hour' <= z.ends_at
        THEN p.hour END AS whole_hour  -- null: the partial ends
    FROM placed p
    JOIN verified_account a ON a.id = p.owner_id
    JOIN verified_zone z ON z.zones = a.zones
    WHERE local_day(p.time - interval '1 microsecond', a.zones) = %(day)s
), hours AS (
    SELECT device_id, owner_id, whole_hour, starts_at, ends_at,
        min(coalesce(before_at, time)) AS since, min(time) AS first_at, max(time) AS last_at,
        sum(consumed) AS consumed, sum(value) AS total, min(value) AS minimum, max(value) AS maximum,
        first(value, time) AS first, last(value, time) AS last, count(*) AS readings
    FROM inside
    GROUP BY device_id, owner_id, whole_hour, starts_at, ends_at
), seen AS (
    -- With as many intervals as the meter has that counts in the hour, or in the day, at its end.
    SELECT h.*, least(h.readings, greatest(1, 3600.0 / m.interval_s)) AS intervals
    FROM hours h
    CROSS JOIN LATERAL (
        SELECT (array_agg(v.interval_s ORDER BY v.measurement <> 'gauge' DESC, v.number DESC))[1]
            AS interval_s
        FROM verified_meter v
        WHERE v.device_id = h.device_id
          AND v.since < coalesce(h.whole_hour + interval '1 hour', h.ends_at)
          AND v.until > coalesce(h.whole_hour, h.starts_at)
    ) m
), days AS (
    SELECT device_id, owner_id, starts_at, ends_at, min(since) AS since, sum(consumed) AS consumed,
        sum(total) AS total, min(minimum) AS minimum, max(maximum) AS maximum,
        first(first, first_at) AS first, last(last, last_at) AS last, sum(readings) AS readings,
        sum(intervals) AS intervals
    FROM seen
    GROUP BY device_id, owner_id, starts_at, ends_at
)
INSERT INTO expected_day (device_id, day, since, account_id, total, reading_sum, minimum, maximum,
    first, last, readings_count, intervals_seen)
SELECT d.device_id, %(day)s, date_trunc('hour', d.since - interval '1 microsecond', 'UTC'), d.owner_id,
    CASE WHEN m.counts THEN coalesce(d.consumed, 0) END, d.total, d.minimum, d.maximum, d.first, d.last,
    d.readings, least(d.intervals, greatest(1, m.intervals))
FROM days d
CROSS JOIN LATERAL (
    SELECT bool_or(v.measurement <> 'gauge') AS counts,
        sum(extract(epoch FROM least(v.until, d.ends_at) - greatest(v.since, d.starts_at))
            / v.interval_s) AS intervals
    FROM verified_meter v
    WHERE v.device_id = d.device_id AND v.since < d.ends_at AND v.until > d.starts_at
) m

-- name: verify_uneven_days
-- What was counted in the local day %(day)s where registers do not simply rise, or a meter is changed.
-- Whose an hour is, the verification of hours tells.
INSERT INTO expected_day AS e (device_id, day, since, account_id, total)
SELECT s.device_id, %(day)s, min(z.starts_at), c.account_id, sum(s.consumed)
FROM uneven_step s
JOIN hourly_consumption c ON c.device_id = s.device_id
    AND c.hour = date_trunc('hour', s.at - interval '1 microsecond', 'UTC')
JOIN verified_account a ON a.id = c.account_id
JOIN verified_zone z ON z.zones = a.zones
WHERE (s.since IS NOT NULL OR s.consumed <> 0) AND s.at > z.starts_at AND s.at <= z.ends_at
GROUP BY s.device_id, c.account_id
ON CONFLICT (device_id, day, account_id) DO UPDATE SET total = e.total + excluded.total

-- name: verify_gap_days
-- And what the day got of gaps, which the verification of hours found to be right.
INSERT INTO expected_day AS e (device_id, day, since, account_id, total, estimated)
SELECT g.device_id, %(day)s, min(least(g.step_from, z.starts_at)), g.account_id,
    sum(part) - coalesce(sum(g.step) FILTER (WHERE g.step_to <= z.ends_at), 0),
    coalesce(sum(part) FILTER (WHERE g.step_from < z.starts_at OR g.step_to > z.ends_at), 0)
FROM verified_device d
CROSS JOIN (SELECT min(starts_at) AS first, max(ends_at) AS last FROM verified_zone) span
CROSS JOIN LATERAL (
    SELECT * FROM hourly_consumption
    WHERE device_id = d.id AND is_gap AND hour > span.first - interval '1 hour'
      AND hour < span.last
    UNION ALL
    (SELECT * FROM hourly_consumption
     WHERE device_id = d.id AND is_gap AND hour >= span.last ORDER BY hour LIMIT 1)
) g
JOIN verified_account a ON a.id = g.account_id
JOIN verified_zone z ON z.zones = a.zones
CROSS JOIN LATERAL (
    SELECT consumed_until(g.step, g.step_from, g.step_to, z.ends_at)
        - consumed_until(g.step, g.step_from, g.step_to, z.starts_at) AS part
) consumed
WHERE g.step_from < z.ends_at AND g.step_to > z.starts_at
GROUP BY g.device_id, g.account_id
ON CONFLICT (device_id, day, account_id) DO UPDATE SET
    total = e.total + excluded.total, estimated = excluded.estimated,
    since = least(e.since, excluded.since)

-- name: differ_days
-- The local day %(day)s: rows that are missing, too many or other than the readings say.
INSERT INTO difference (relation, device_id, key, starts_at, ends_at, since, account_id, actual,
    expected)
SELECT 'daily_aggregate', device_id, day::text, z.starts_at, z.ends_at,
    date_trunc('hour', least(e.since, z.starts_at), 'UTC'), account_id,
    CASE WHEN a.readings_count IS NOT NULL THEN jsonb_build_object(
        'total', a.total, 'reading_sum', a.reading_sum, 'minimum', a.minimum,
        'maximum', a.maximum, 'first', a.first, 'last', a.last,
        'readings_count', a.readings_count, 'intervals_seen', a.intervals_seen,
        'estimated', a.estimated) END,
    CASE WHEN e.readings_count IS NOT NULL THEN jsonb_build_object(
        'total', e.total, 'reading_sum', e.reading_sum, 'minimum', e.minimum,
        'maximum', e.maximum, 'first', e.first, 'last', e.last,
        'readings_count', e.readings_count, 'intervals_seen', e.intervals_seen,
        'estimated', e.estimated) END
FROM (SELECT * FROM expected_day WHERE day = %(day)s) e
FULL JOIN (
    SELECT h.* FROM verified_device d
    CROSS JOIN LATERAL (
        SELECT * FROM daily_aggregate h WHERE h.device_id = d.id AND h.day = %(day)s OFFSET 0
    ) h
    JOIN verified_account c ON c.id = h.account_id
) a USING (device_id, day, account_id)
JOIN verified_account c ON c.id = account_id
JOIN verified_zone z ON z.zones = c.zones
WHERE (a.total, a.reading_sum, a.minimum, a.maximum, a.first, a.last,
        a.readings_count, a.intervals_seen, a.estimated)
    IS DISTINCT FROM
    (e.total, e.reading_sum, e.minimum, e.maximum, e.first, e.last,
        e.readings_count, e.intervals_seen, e.estimated)

-- name: verify_before
-- What registers and deltas had reached before %(start)s: the last hour before it, which the
-- verification of its own day found to be right.
INSERT INTO value_before (device_id, value, time, height, height_at)
SELECT d.id, r.last, r.last_at, coalesce(p.height, p.last), coalesce(p.height_at, p.last_at)
FROM verified_device d
CROSS JOIN LATERAL (
    SELECT c.last, c.height, c.last_at, c.height_at FROM hourly_consumption c
    WHERE c.device_id = d.id AND c.hour < %(start)s
    ORDER BY c.hour DESC LIMIT 1
) p
LEFT JOIN LATERAL (
    SELECT c.last, c.last_at FROM hourly_consumption c
    WHERE c.device_id = d.id AND c.hour < %(start)s AND c.last IS NOT NULL
    ORDER BY c.hour DESC LIMIT 1
) r ON true

-- name: verify_uneven_devices
-- Devices with a change of meter, and registers with a fall, after %(start)s, up to %(end)s, or so near
-- that it matters: the last readings before had one, or the next hours have.
WITH falling AS (
    SELECT DISTINCT device_id FROM (
        SELECT r.device_id, r.value < coalesce(lag(r.value) OVER by_time, b.value) AS is_fall
        FROM reading r
        JOIN (SELECT DISTINCT device_id FROM verified_meter WHERE measurement = 'cumulative'
            AND since < %(end)s AND until > %(start)s) d ON d.device_id = r.device_id
        LEFT JOIN value_before b ON b.device_id = r.device_id
        WHERE r.time > %(start)s AND r.time <= %(end)s
        WINDOW by_time AS (PARTITION BY r.device_id ORDER BY r.time)
    ) readings
    WHERE is_fall
), near AS (
    SELECT d.id, coalesce(max(n.hour), %(end)s - interval '1 hour') + interval '1 hour' AS until,
        d.has_register AND bool_or(n.steps IS NOT NULL OR n.first < n.before) AS is_uneven
    FROM (
        SELECT device_id AS id, bool_or(measurement = 'cumulative') AS has_register
        FROM verified_meter GROUP BY device_id
    ) d
    LEFT JOIN LATERAL (
        SELECT c.hour, c.steps, c.first, lag(c.last) OVER (ORDER BY c.hour) AS before
        FROM (
            (SELECT * FROM hourly_consumption
             WHERE device_id = d.id AND hour >= %(end)s ORDER BY hour LIMIT 4)
            UNION ALL
            (SELECT * FROM hourly_consumption
             WHERE device_id = d.id AND hour < %(end)s ORDER BY hour DESC LIMIT 1)
        ) c
    ) n ON true
    GROUP BY d.id, d.has_register
)
INSERT INTO uneven_device (device_id, until)
SELECT n.id, greatest(n.until, %(end)s)
FROM near n
LEFT JOIN value_before b ON b.device_id = n.id
WHERE n.is_uneven OR n.id IN (SELECT device_id FROM falling)
    OR (b.value, b.time) IS DISTINCT FROM (b.height, b.height_at)
    OR EXISTS (
        SELECT FROM verified_meter m
        WHERE m.device_id = n.id AND m.is_change AND m.since <= %(end)s
          AND m.since > coalesce(b.height_at, '-infinity'))
    OR EXISTS (
        SELECT FROM hourly_consumption c
        WHERE c.device_id = n.id AND c.steps IS NOT NULL
          AND c.hour >= %(start)s AND c.hour < %(end)s)

-- name: verify_uneven_bounds
SELECT least(min(b.height_at), %(start)s), max(u.until)
FROM uneven_device u
LEFT JOIN value_before b ON b.device_id = u.device_id

-- name: verify_uneven_steps
-- The steps of devices that do not simply rise, or whose meter is changed, point by point from what they
-- had reached before. The rules are written out a second time here, on purpose: what proves the refresh
-- must not call it.
WITH RECURSIVE changes AS (
    SELECT m.*, u.until AS matters_until
    FROM verified_meter m
    JOIN uneven_device u ON u.device_id = m.device_id
    LEFT JOIN value_before b ON b.device_id = m.device_id
    WHERE m.is_change AND m.since > coalesce(b.height_at, '-infinity') AND m.since <= u.until
), points AS (
    SELECT b.device_id, (
        SELECT max(m.number) FROM verified_meter m
        WHERE m.device_id = b.device_id AND m.since <= b.height_at
    ) AS meter, b.height_at AS at, 0 AS kind, b.height AS value
    FROM value_before b JOIN uneven_device u ON u.device_id = b.device_id
    WHERE b.height IS NOT NULL
    UNION ALL
    SELECT r.device_id, m.number, r.time, 1, r.value
    FROM uneven_device u
    LEFT JOIN value_before b ON b.device_id = u.device_id
    JOIN reading r ON r.device_id = u.device_id AND r.time > coalesce(b.height_at, '-infinity')
        AND r.time <= u.until
    JOIN verified_meter m ON m.device_id = r.device_id AND CASE
        WHEN r.time = m.since THEN r.value = m.first_register
            AND r.value IS DISTINCT FROM m.old_register
        WHEN r.time = m.until THEN NOT EXISTS (
            SELECT FROM verified_meter n
            WHERE n.device_id = m.device_id AND n.number = m.number + 1
              AND r.value = n.first_register AND r.value IS DISTINCT FROM n.old_register)
        ELSE r.time > m.since AND r.time < m.until END
    WHERE r.time > %(from)s AND r.time <= %(to)s AND m.measurement <> 'gauge'
    UNION ALL
    SELECT c.device_id, c.number - 1, c.since, 2, c.old_register FROM changes c
    JOIN verified_meter m ON m.device_id = c.device_id AND m.number = c.number - 1
        AND m.measurement = 'cumulative'
    WHERE c.old_register IS NOT NULL
    UNION ALL
    SELECT device_id, number, since, 0, coalesce(first_register, 0) FROM changes
), series AS MATERIALIZED (
    SELECT device_id, meter, at, kind, value, row_number() OVER by_time AS number,
        lead(value, 1) OVER by_time AS v1, lead(value, 2) OVER by_time AS v2,
        lead(value, 3) OVER by_time AS v3, lead(value, 4) OVER by_time AS v4
    FROM points
    WINDOW by_time AS (PARTITION BY device_id, meter ORDER BY at, kind)
), walk AS (
    SELECT s.device_id, s.meter, s.number, NULL::timestamptz AS since, s.at,
        CASE WHEN m.measurement = 'delta' AND s.kind = 1 THEN scaled(s.value, m.factor) ELSE 0 END
            AS consumed,
        s.value AS height, s.v1, s.v2, s.v3, s.v4
    FROM series s
    JOIN verified_meter m ON m.device_id = s.device_id AND m.number = s.meter
    WHERE s.number = 1
    UNION ALL
    SELECT s.device_id, s.meter, s.number, w.at, s.at,
        CASE
            WHEN d.measurement = 'delta' THEN scaled(s.value, d.factor)
            WHEN s.value >= w.height OR d.is_net
                THEN scaled(s.value, d.factor) - scaled(w.height, d.factor)
            WHEN w.height - s.value <= abs(w.height) / 100 THEN 0
            WHEN w.height >= d.modulus * 0.9 AND w.height < d.modulus
                AND s.value >= 0 AND s.value < d.modulus * 0.1
                THEN scaled(d.modulus, d.factor) - scaled(w.height, d.factor)
                    + scaled(s.value, d.factor)
            ELSE greatest(scaled(s.value, d.factor), 0) END,
        CASE WHEN d.measurement = 'cumulative' AND NOT d.is_net AND s.value < w.height
            AND w.height - s.value <= abs(w.height) / 100 THEN w.height ELSE s.value END,
        s.v1, s.v2, s.v3, s.v4
    FROM walk w
    JOIN verified_meter d ON d.device_id = w.device_id AND d.number = w.meter
    CROSS JOIN LATERAL (
        SELECT w.height - abs(w.height) / 100 AS low
    ) l
    JOIN series s ON s.device_id = w.device_id AND s.meter = w.meter
        AND s.number = w.number + CASE
            WHEN d.measurement <> 'cumulative' OR d.is_net THEN 1
            WHEN w.v4 >= l.low AND (w.v1 < l.low OR w.v1 - w.v4 > abs(w.v1) / 100)
                AND (w.v2 < l.low OR w.v2 - w.v4 > abs(w.v2) / 100)
                AND (w.v3 < l.low OR w.v3 - w.v4 > abs(w.v3) / 100) THEN 4
            WHEN w.v3 >= l.low AND (w.v1 < l.low OR w.v1 - w.v3 > abs(w.v1) / 100)
                AND (w.v2 < l.low OR w.v2 - w.v3 > abs(w.v2) / 100) THEN 3
            WHEN w.v2 >= l.low AND (w.v1 < l.low OR w.v1 - w.v2 > abs(w.v1) / 100) THEN 2
            ELSE 1 END
)
INSERT INTO uneven_step (device_id, since, at, consumed, height, meter, number)
SELECT device_id, since, at, consumed, height, meter,
    row_number() OVER (PARTITION BY device_id ORDER BY meter, number)
FROM walk

-- name: verify_steps
-- Readings after %(start)s, up to %(end)s, with what was consumed since the one before, in the order
-- of time over the whole device, and the hour that counts them. What uneven devices consumed is
-- in uneven_step.
WITH steps AS (
    SELECT r.device_id, r.account_id, r.received_at, r.time, r.value, d.measurement, d.factor,
        d.longest_step, u.device_id IS NOT NULL AS is_uneven,
        date_trunc('hour', r.time - interval '1 microsecond', 'UTC') AS hour,
        coalesce(lag(r.value) OVER by_time, b.value) AS before,
        coalesce(lag(r.time) OVER by_time, b.time) AS before_at
    FROM reading r
    JOIN verified_meter d ON d.device_id = r.device_id AND r.time > d.since AND r.time <= d.until
    LEFT JOIN value_before b ON b.device_id = r.device_id
    LEFT JOIN uneven_device u ON u.device_id = r.device_id
    WHERE r.time > %(start)s AND r.time <= %(end)s
    WINDOW by_time AS (PARTITION BY r.device_id ORDER BY r.time)
), counted AS (
    SELECT *, CASE
        WHEN is_uneven THEN CASE WHEN measurement <> 'gauge' THEN 0 END
        WHEN measurement = 'delta' THEN scaled(value, factor)
        WHEN measurement = 'cumulative'
            THEN coalesce(scaled(value, factor) - scaled(before, factor), 0)
    END AS consumed
    FROM steps
)
