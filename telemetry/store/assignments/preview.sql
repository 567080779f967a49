-- name: calendars
-- The zone of each account, and its billing months from %(since)s to %(until)s: from when until when, and
-- whether they are closed.
SELECT a.id, a.zones, m.month, local_day_start(m.month, a.zones),
    local_day_start(next_billing_month(m.month, a.billing_day, a.earlier_billing_days), a.zones),
    EXISTS (SELECT FROM closed_month c WHERE c.account_id = a.id AND c.month = m.month)
FROM account a
CROSS JOIN LATERAL (
    SELECT DISTINCT billing_month(day::date, a.billing_day, a.earlier_billing_days) AS month
    FROM generate_series(local_day(%(since)s::timestamptz, a.zones),
        local_day(%(until)s::timestamptz, a.zones), interval '1 day') AS day
) m
WHERE a.id = ANY(%(accounts)s::bigint[])
ORDER BY a.id, m.month

-- name: devices
-- The devices of a gateway that consume, with the units that they have now.
SELECT id, unit FROM device WHERE gateway_id = %(gateway)s AND measurement <> 'gauge' ORDER BY id

-- name: count_readings
-- How many readings follow, counted no further than it matters.
SELECT count(*) FROM (
    SELECT FROM device d JOIN reading r ON r.device_id = d.id
    WHERE d.gateway_id = %(gateway)s AND r.time > %(since)s
    LIMIT %(most)s
) found
