-- Cumulative devices: what was consumed between the readings of each touched hour of one UTC day,
-- and the hour's two ends. settle_consumption.sql adds the step from the hour before.
INSERT INTO hourly_consumption (device_id, hour, account_id, consumption, within, first, first_at,
    last, last_at)
SELECT device_id, hour, first(account_id, received_at), 0,
    coalesce(sum(register_increment(modulus, before, value, NULL))
        FILTER (WHERE NOT has_replacements), 0)
    + coalesce(sum(register_increment(modulus, before, value,
        replaced_between(device_id, before_at, time))) FILTER (WHERE has_replacements), 0),
    first(value, time), min(time), last(value, time), max(time)
FROM (
    SELECT t.device_id, t.hour, t.modulus, t.has_replacements, r.account_id, r.received_at,
        r.value, r.time,
        lag(r.value) OVER hour_by_time AS before, lag(r.time) OVER hour_by_time AS before_at
    FROM touched_hour t
    JOIN reading r ON r.device_id = t.device_id
        AND r.time >= t.hour AND r.time < t.hour + interval '1 hour'
    WHERE t.measurement = 'cumulative'
      AND t.hour >= %(start)s AND t.hour < %(end)s
      AND r.time >= %(start)s AND r.time < %(end)s
    WINDOW hour_by_time AS (PARTITION BY t.device_id, t.hour ORDER BY r.time)
) steps
GROUP BY device_id, hour
ON CONFLICT (device_id, hour) DO UPDATE SET
    account_id = excluded.account_id, within = excluded.within, first = excluded.first,
    first_at = excluded.first_at, last = excluded.last, last_at = excluded.last_at
