-- Cumulative devices: what was consumed between the readings of each touched hour of one UTC day,
-- and the hour's two ends. settle_consumption.sql adds the step from the hour before. Read as in
-- refresh_hourly.sql.
INSERT INTO hourly_consumption (device_id, hour, account_id, consumption, within, first, first_at,
    last, last_at)
SELECT s.device_id, s.hour, first(s.account_id, s.received_at), 0,
    coalesce(sum(register_increment(t.modulus, s.before, s.value, NULL))
        FILTER (WHERE NOT t.has_replacements), 0)
    + coalesce(sum(register_increment(t.modulus, s.before, s.value,
        replaced_between(s.device_id, s.before_at, s.time))) FILTER (WHERE t.has_replacements), 0),
    first(s.value, s.time), min(s.time), last(s.value, s.time), max(s.time)
FROM (
    SELECT hour, array_agg(device_id) AS device_ids
    FROM touched_hour
    WHERE measurement = 'cumulative' AND hour >= %(start)s AND hour < %(end)s
      AND (%(devices)s::bigint[] IS NULL OR device_id = ANY(%(devices)s::bigint[]))
    GROUP BY hour
) each
CROSS JOIN LATERAL (
    SELECT r.device_id, each.hour, r.account_id, r.received_at, r.value, r.time,
        lag(r.value) OVER by_time AS before, lag(r.time) OVER by_time AS before_at
    FROM reading r
    WHERE r.device_id = ANY(each.device_ids)
      AND r.time >= each.hour AND r.time < each.hour + interval '1 hour'
      AND r.time >= %(start)s AND r.time < %(end)s
    WINDOW by_time AS (PARTITION BY r.device_id ORDER BY r.time)
) s
JOIN touched_hour t ON t.device_id = s.device_id AND t.hour = s.hour
GROUP BY s.device_id, s.hour
ON CONFLICT (device_id, hour) DO UPDATE SET
    account_id = excluded.account_id, within = excluded.within, first = excluded.first,
    first_at = excluded.first_at, last = excluded.last, last_at = excluded.last_at
