-- name: former_of_account
-- Devices of gateways that moved away, with months in the account. The wall between accounts lets
-- them be seen (policy "history", rights.sql).
SELECT DISTINCT d.id
FROM assignment a
JOIN device d ON d.gateway_id = a.gateway_id
WHERE a.account_id = %(account)s AND d.account_id <> %(account)s AND EXISTS (
    SELECT FROM monthly_total WHERE device_id = d.id AND account_id = %(account)s)
ORDER BY d.id

-- name: former_among
-- Those of some devices with months or alarms, also of moves that are older than the table of assignments.
SELECT d.id
FROM device d
WHERE d.id = ANY(%(devices)s::bigint[]) AND d.account_id <> %(account)s AND (
    EXISTS (SELECT FROM monthly_total WHERE device_id = d.id AND account_id = %(account)s)
    OR EXISTS (SELECT FROM alarm WHERE device_id = d.id AND account_id = %(account)s))
ORDER BY d.id
