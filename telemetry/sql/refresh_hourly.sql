-- Compute the touched hours of one UTC day again (Apache edition). The day's bounds are constants,
-- so that only its chunk is planned and opened. An hour is the account's that its first received
-- reading names: what comes late never takes it away.
INSERT INTO hourly_aggregate (device_id, hour, account_id, total, mean, minimum, maximum, first,
    last, readings_count)
SELECT t.device_id, t.hour, h.account_id, h.total, h.total / h.readings_count, h.minimum, h.maximum,
    h.first, h.last, h.readings_count
FROM touched_hour t
CROSS JOIN LATERAL (
    SELECT first(account_id, received_at) AS account_id, sum(value) AS total, min(value) AS minimum,
        max(value) AS maximum, first(value, time) AS first, last(value, time) AS last,
        count(*) AS readings_count
    FROM reading r
    WHERE r.device_id = t.device_id
      AND r.time >= t.hour AND r.time < t.hour + interval '1 hour'
      AND r.time >= %(start)s AND r.time < %(end)s
) h
WHERE t.hour >= %(start)s AND t.hour < %(end)s AND h.readings_count > 0
ON CONFLICT (device_id, hour) DO UPDATE SET
    account_id = excluded.account_id, total = excluded.total, mean = excluded.mean,
    minimum = excluded.minimum, maximum = excluded.maximum, first = excluded.first,
    last = excluded.last, readings_count = excluded.readings_count
