-- name: latest_readings
-- The newest readings of an account: no index has them by account, so the devices behind the gateways
-- that were heard last are asked, one index probe each. The newest %(rows)s readings all belong to
-- the %(rows)s devices whose newest reading is newest: only of these more than one is read.
SELECT newest.device_id, newest.time, newest.received_at, newest.value, newest.unit
FROM (
    SELECT candidate.id
    FROM (
        SELECT d.id
        FROM gateway g
        JOIN device d ON d.gateway_id = g.id
        WHERE g.account_id = %(account)s
          AND (g.last_seen IS NOT NULL OR %(devices)s::bigint[] IS NOT NULL)
          AND (%(devices)s::bigint[] IS NULL OR d.id = ANY(%(devices)s::bigint[]))
        ORDER BY g.last_seen DESC NULLS LAST, d.id
        LIMIT %(candidates)s
    ) candidate
    CROSS JOIN LATERAL (
        SELECT time FROM reading
        WHERE device_id = candidate.id AND account_id = %(account)s AND time >= %(since)s
        ORDER BY time DESC LIMIT 1
    ) head
    ORDER BY head.time DESC, candidate.id
    LIMIT %(rows)s
) chosen
CROSS JOIN LATERAL (
    SELECT device_id, time, received_at, value, unit FROM reading
    WHERE device_id = chosen.id AND account_id = %(account)s AND time >= %(since)s
    ORDER BY time DESC LIMIT %(rows)s
) newest
ORDER BY newest.time DESC, newest.device_id
LIMIT %(rows)s
