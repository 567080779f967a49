-- name: devices
-- Devices by gateway and code, with the local days of their first and last values in the account. Those
-- that moved to another account have no names; they are there when none is chosen, or they themselves are.
SELECT d.id, d.gateway_id, coalesce(g.code, ''), coalesce(CASE WHEN own.is THEN d.code END, ''),
    CASE WHEN own.is THEN d.name ELSE '' END, d.unit, own.is, days.first_day, days.last_day
FROM device d
CROSS JOIN LATERAL (SELECT d.account_id = %(account)s AS is) own
LEFT JOIN gateway g ON g.id = d.gateway_id AND own.is
CROSS JOIN LATERAL (
    SELECT min(day) AS first_day, max(day) AS last_day FROM daily_aggregate
    WHERE device_id = d.id AND account_id = %(account)s
) days
WHERE CASE WHEN %(is_chosen)s AND %(devices)s::bigint[] IS NULL THEN own.is ELSE own.is OR d.id IN (
        SELECT device_id FROM monthly_total WHERE account_id = %(account)s) END
  AND (%(devices)s::bigint[] IS NULL OR d.id = ANY(%(devices)s::bigint[]))
  AND (%(gateway)s::bigint IS NULL OR d.gateway_id = %(gateway)s::bigint)
  AND (%(group)s::text IS NULL OR d."group" = %(group)s::text)
ORDER BY g.code NULLS LAST, d.code, d.id
LIMIT %(most)s

-- name: installations
SELECT device_id, since, measurement, register_modulus, interval_s, factor, is_net, largest_rate,
    old_register, first_register, unit, serial
FROM installation
WHERE device_id = ANY(%(devices)s::bigint[]) AND undone_at IS NULL
ORDER BY device_id, since NULLS FIRST
