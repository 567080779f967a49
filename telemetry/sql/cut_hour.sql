-- The parts of touched days that lie in one UTC hour, %(hour)s to %(end)s, with the border between
-- two local days at %(border)s inside it. The steps of the hour are those of hourly_consumption;
-- each part has the steps that end in it.
WITH touched AS (
    SELECT t.device_id, t.day, t.account_id, t.starts_at = %(border)s AS is_after,
        d.register_modulus AS modulus,
        EXISTS (SELECT FROM meter_replacement p WHERE p.device_id = d.id) AS has_replacements
    FROM touched_day t JOIN device d ON d.id = t.device_id
    JOIN hourly_aggregate h ON h.device_id = t.device_id AND h.account_id = t.account_id
        AND h.hour = %(hour)s
    WHERE t.starts_at = %(border)s OR t.ends_at = %(border)s
), steps AS (
    SELECT d.device_id, r.time >= %(border)s AS is_after, r.value, r.time, d.modulus,
        coalesce(lag(r.value) OVER by_time, b.last) AS before,
        coalesce(lag(r.time) OVER by_time, b.last_at) AS before_at
    FROM (SELECT DISTINCT device_id, modulus FROM touched) d
    JOIN reading r ON r.device_id = d.device_id AND r.time >= %(hour)s AND r.time < %(end)s
    LEFT JOIN LATERAL (
        SELECT c.last, c.last_at FROM hourly_consumption c
        WHERE c.device_id = d.device_id AND c.hour < %(hour)s
        ORDER BY c.hour DESC LIMIT 1
    ) b ON true
    WINDOW by_time AS (PARTITION BY d.device_id ORDER BY r.time)
)
INSERT INTO day_part (device_id, day, starts_at, account_id, consumption, total, minimum, maximum,
    first, last, readings_count)
SELECT t.device_id, t.day, min(s.time), t.account_id,
    coalesce(sum(register_increment(s.modulus, s.before, s.value, NULL))
        FILTER (WHERE NOT has_replacements), 0)
    + coalesce(sum(register_increment(s.modulus, s.before, s.value,
        replaced_between(s.device_id, s.before_at, s.time))) FILTER (WHERE has_replacements), 0),
    sum(s.value), min(s.value), max(s.value), first(s.value, s.time), last(s.value, s.time),
    count(*)
FROM touched t JOIN steps s USING (device_id, is_after)
GROUP BY t.device_id, t.day, t.account_id, t.is_after
