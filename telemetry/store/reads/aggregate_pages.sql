-- name: page_hours
-- Hours of some devices, by device and hour, after a key. One index range for each device; `total`
-- as in hour_series (chart_series.sql).
SELECT own.*
FROM unnest(%(devices)s::bigint[]) AS wanted (id)
CROSS JOIN LATERAL installations_in(wanted.id, %(since)s, %(until)s) AS i
CROSS JOIN LATERAL (
    -- The hour after the key: of the device of the key, the next one.
    SELECT CASE WHEN wanted.id = %(device)s THEN greatest(%(since)s,
        %(at)s::timestamptz + interval '1 hour') ELSE %(since)s END AS hour
) next
CROSS JOIN LATERAL (
    SELECT wanted.id AS device_id, s.hour, s.total, s.estimated, s.mean, s.minimum, s.maximum,
        s.first, s.last, s.readings_count
    FROM (
        SELECT hour,
            CASE coalesce(i.measurement, (
                SELECT o.measurement FROM installation_of(wanted.id, hour, hour + interval '1 hour') AS o
            )) WHEN 'gauge' THEN NULL
                ELSE coalesce(c.consumption, h.total, 0) + coalesce(g.moved, 0) END AS total,
            coalesce(g.estimated, 0) AS estimated, h.total AS reading_sum, h.mean, h.minimum, h.maximum,
            h.first, h.last, coalesce(h.readings_count, 0) AS readings_count
        FROM (
            SELECT * FROM hourly_aggregate
            WHERE account_id = %(account)s AND device_id = wanted.id
              -- The constant, too: it tells a continuous aggregate which chunks to leave closed.
              AND hour >= %(since)s AND hour >= next.hour AND hour < %(until)s
        ) h
        FULL JOIN (
            SELECT * FROM hourly_consumption
            WHERE account_id = %(account)s AND device_id = wanted.id AND i.counts
              AND (first IS NOT NULL OR steps <> '[]')
              AND hour >= next.hour AND hour < %(until)s
        ) c USING (hour)
        FULL JOIN (
            SELECT * FROM gap_hours(wanted.id, %(account)s, next.hour, %(until)s)
            WHERE i.counts
        ) g USING (hour)
    ) s
    ORDER BY s.hour LIMIT %(rows)s
) own
ORDER BY own.device_id, own.hour
LIMIT %(rows)s

-- name: page_days
-- Local days of some devices, by device and day, after a key. One index range for each device.
SELECT own.*
FROM unnest(%(devices)s::bigint[]) AS wanted (id)
CROSS JOIN LATERAL (
    SELECT device_id, day, total, estimated, reading_sum / nullif(readings_count, 0), minimum,
        maximum, first, last, readings_count
    FROM daily_aggregate
    WHERE account_id = %(account)s AND device_id = wanted.id
      AND day >= %(since)s AND day < %(until)s
      AND (device_id, day) > (%(device)s, %(at)s)
    ORDER BY day LIMIT %(rows)s
) own
ORDER BY own.device_id, own.day
LIMIT %(rows)s

-- name: page_months
-- Billing months of some devices, by device and month, after a key. One index range for each device.
-- What is billed with the month of earlier, closed ones is summed: what it settled, and in the first month
-- after the closed ones what none settled yet, as in reports.
SELECT m.device_id, m.month, m.month_end, m.state, m.unit, m.total, m.estimated, m.daily_mean,
    m.reading_mean, m.minimum, m.maximum, m.first_register, m.last_register, m.readings_count,
    m.coverage, settled.difference
FROM unnest(%(devices)s::bigint[]) AS wanted (id)
CROSS JOIN LATERAL (
    SELECT * FROM billed_month
    WHERE account_id = %(account)s AND device_id = wanted.id
      AND month >= %(since)s AND month < %(until)s
      AND (device_id, month) > (%(device)s, %(at)s)
    ORDER BY month LIMIT %(rows)s
) m
CROSS JOIN LATERAL (
    SELECT coalesce(sum(difference), 0) AS difference FROM month_adjustment
    WHERE device_id = m.device_id AND account_id = %(account)s AND coalesce(settled_in, (
        SELECT month_end FROM closed_line WHERE account_id = %(account)s
        ORDER BY month DESC LIMIT 1)) = m.month
) settled
ORDER BY m.device_id, m.month
LIMIT %(rows)s
