-- name: find_base
-- What the device had reached some hours before an instant, from which it is counted.
SELECT coalesce(height_at, last_at), coalesce(height, last) FROM hourly_consumption
WHERE device_id = %(device)s AND account_id = %(account)s
  AND hour < date_trunc('hour', %(since)s::timestamptz, 'UTC')
ORDER BY hour DESC OFFSET %(neighbours)s LIMIT 1

-- name: read_values
SELECT time, value FROM reading
WHERE device_id = %(device)s AND account_id = %(account)s
  AND time > coalesce(%(base)s::timestamptz, '-infinity')
ORDER BY time LIMIT %(most)s

-- name: read_months
SELECT m.month, coalesce(m.total, 0), c.id IS NOT NULL
FROM monthly_total m
LEFT JOIN closed_month c ON c.account_id = m.account_id AND c.month = m.month
WHERE m.device_id = %(device)s AND m.account_id = %(account)s AND m.month = ANY(%(months)s)

-- name: read_calendar
SELECT zones, billing_day, earlier_billing_days::text, spreads_gaps FROM account WHERE id = %(account)s

-- name: month_start
SELECT local_day_start(billing_month(local_day(%(at)s::timestamptz, zones),
    billing_day, earlier_billing_days), zones)
FROM account WHERE id = %(account)s

-- name: recent_hours
-- What a device consumed in the hours of the last days.
SELECT consumption FROM hourly_consumption
WHERE device_id = %(device)s AND account_id = %(account)s AND hour > now() - %(history)s

-- name: horizon
SELECT dropped_before FROM raw_horizon WHERE isfinite(dropped_before)
