-- Compute the touched hours of one UTC day, or of some of its hours and devices, again (Apache
-- edition). The bounds are constants, so that only their chunk is planned and opened; the devices of
-- an hour are read together, as their readings lie together. An hour is the account's that its first
-- received reading names: what comes late never takes it away.
INSERT INTO hourly_aggregate (device_id, hour, account_id, total, mean, minimum, maximum, first,
    last, readings_count)
SELECT h.device_id, t.hour, h.account_id, h.total, h.total / h.readings_count, h.minimum, h.maximum,
    h.first, h.last, h.readings_count
FROM (
    SELECT hour, array_agg(device_id) AS device_ids
    FROM touched_hour
    WHERE hour >= %(start)s AND hour < %(end)s
      AND (%(devices)s::bigint[] IS NULL OR device_id = ANY(%(devices)s::bigint[]))
    GROUP BY hour
) t
CROSS JOIN LATERAL (
    SELECT r.device_id, first(r.account_id, r.received_at) AS account_id, sum(r.value) AS total,
        min(r.value) AS minimum, max(r.value) AS maximum, first(r.value, r.time) AS first,
        last(r.value, r.time) AS last, count(*) AS readings_count
    FROM reading r
    WHERE r.device_id = ANY(t.device_ids)
      AND r.time >= t.hour AND r.time < t.hour + interval '1 hour'
      AND r.time >= %(start)s AND r.time < %(end)s
    GROUP BY r.device_id
) h
ON CONFLICT (device_id, hour) DO UPDATE SET
    account_id = excluded.account_id, total = excluded.total, mean = excluded.mean,
    minimum = excluded.minimum, maximum = excluded.maximum, first = excluded.first,
    last = excluded.last, readings_count = excluded.readings_count
