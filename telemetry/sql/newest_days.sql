-- The newest local day with readings of each device.
SELECT d.id, n.day
FROM unnest(%(device_ids)s::bigint[]) AS d (id)
CROSS JOIN LATERAL (
    SELECT day FROM daily_aggregate
    WHERE device_id = d.id AND account_id = %(account)s
    ORDER BY day DESC LIMIT 1
) AS n
