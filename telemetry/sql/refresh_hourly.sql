-- Recompute the hours that new readings touched (Apache edition). The notes taken here and the
-- readings read here belong to one snapshot, so no reading is missed.
WITH taken AS (
    DELETE FROM dirty_hour
    WHERE id IN (SELECT id FROM dirty_hour ORDER BY hour, id LIMIT %(limit)s)
    RETURNING hour, device_ids
), touched AS (
    SELECT DISTINCT hour, unnest(device_ids) AS device_id FROM taken
), computed AS (
    SELECT t.device_id, t.hour, h.*
    FROM touched t
    CROSS JOIN LATERAL (
        SELECT min(account_id) AS account_id, sum(value) AS total, avg(value) AS mean,
            min(value) AS minimum, max(value) AS maximum, first(value, time) AS first,
            last(value, time) AS last, count(*) AS readings_count
        FROM reading r
        WHERE r.device_id = t.device_id
          AND r.time >= t.hour AND r.time < t.hour + interval '1 hour'
          AND r.time >= (SELECT min(hour) FROM taken)
          AND r.time < (SELECT max(hour) FROM taken) + interval '1 hour'
    ) h
    WHERE h.readings_count > 0
), written AS (
    INSERT INTO hourly_aggregate (device_id, hour, account_id, total, mean, minimum, maximum,
        first, last, readings_count)
    SELECT * FROM computed
    ON CONFLICT (device_id, hour) DO UPDATE SET
        account_id = excluded.account_id, total = excluded.total, mean = excluded.mean,
        minimum = excluded.minimum, maximum = excluded.maximum, first = excluded.first,
        last = excluded.last, readings_count = excluded.readings_count
    RETURNING 1
)
SELECT (SELECT count(*) FROM taken), (SELECT count(*) FROM written)
