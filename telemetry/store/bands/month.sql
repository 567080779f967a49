-- name: periods
SELECT band, days, starts, ends, season_from, season_to FROM band_period
WHERE account_id = %(account)s ORDER BY id

-- name: holidays
SELECT day FROM holiday WHERE account_id = %(account)s

-- name: account_month
-- The zone of an account, and when a billing month of it begins and ends.
SELECT zone_on(%(month)s, a.zones), local_day_start(%(month)s, a.zones),
    local_day_start(month_end, a.zones)
FROM account a
CROSS JOIN next_billing_month(%(month)s, a.billing_day, a.earlier_billing_days) AS month_end
WHERE a.id = %(account)s

-- name: month_devices
-- Devices that consume, in a billing month, by gateway and code; of a closed month the lines that were
-- kept. All, or some of them.
SELECT b.device_id, b.gateway_code, b.code, b.name, b.unit, b.state, b.total, l.bands
FROM billed_month b
LEFT JOIN closed_line l ON l.account_id = b.account_id AND l.device_id = b.device_id
    AND l.month = b.month AND b.state = 'closed'
WHERE b.account_id = %(account)s AND b.month = %(month)s AND b.total IS NOT NULL
  AND (%(devices)s::bigint[] IS NULL OR b.device_id = ANY(%(devices)s::bigint[]))
ORDER BY b.gateway_code, b.code, b.device_id
LIMIT %(limit)s OFFSET %(offset)s

-- name: keep_bands
-- The bands of devices, in the lines of a month that is closed.
UPDATE closed_line l SET bands = n.bands::jsonb
FROM unnest(%(devices)s::bigint[], %(bands)s::text[]) AS n (device_id, bands)
WHERE l.account_id = %(account)s AND l.month = %(month)s AND l.device_id = n.device_id
