-- name: page_hours
-- Hours of some devices, by device and hour, after a key. One index range for each device; `total`
-- as in hour_series (chart_series.sql).
SELECT own.*
FROM unnest(%(devices)s::bigint[]) AS wanted (id)
JOIN device d ON d.id = wanted.id
CROSS JOIN LATERAL (
    SELECT h.device_id, h.hour,
        CASE d.measurement WHEN 'delta' THEN h.total WHEN 'cumulative' THEN c.consumption END,
        h.mean, h.minimum, h.maximum, h.first, h.last, h.readings_count
    FROM hourly_aggregate h
    LEFT JOIN hourly_consumption c ON c.device_id = h.device_id AND c.hour = h.hour
    WHERE h.account_id = %(account)s AND h.device_id = wanted.id
      AND h.hour >= %(since)s AND h.hour < %(until)s
      AND (h.device_id, h.hour) > (%(device)s, %(at)s)
    ORDER BY h.hour LIMIT %(rows)s
) own
ORDER BY own.device_id, own.hour
LIMIT %(rows)s

-- name: page_days
-- Local days of some devices, by device and day, after a key. One index range for each device.
SELECT own.*
FROM unnest(%(devices)s::bigint[]) AS wanted (id)
CROSS JOIN LATERAL (
    SELECT device_id, day, total, reading_sum / readings_count, minimum, maximum, first, last,
        readings_count
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
-- What the month settles of earlier, closed ones is summed.
SELECT m.device_id, m.month, m.month_end, m.state, m.unit, m.total, m.daily_mean, m.reading_mean,
    m.minimum, m.maximum, m.first_register, m.last_register, m.readings_count, m.coverage,
    settled.difference
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
    WHERE device_id = m.device_id AND settled_in = m.month AND account_id = %(account)s
) settled
ORDER BY m.device_id, m.month
LIMIT %(rows)s
