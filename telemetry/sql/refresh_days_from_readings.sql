-- Touched days that begin or end inside a UTC hour, from the readings of %(start)s to %(end)s.
-- %(border)s is the UTC hour of the start: the reading before the day stands in it, or is the last
-- one of an earlier hour.
WITH touched AS (
    SELECT t.device_id, t.day, d.measurement, d.register_modulus AS modulus,
        intervals_an_hour(d.interval_s) AS intervals
    FROM touched_day t JOIN device d ON d.id = t.device_id
    WHERE NOT t.is_whole_hours AND t.starts_at = %(start)s AND t.ends_at = %(end)s
), before_day AS (
    SELECT t.device_id, p.value, p.time
    FROM touched t
    CROSS JOIN LATERAL (
        (SELECT r.value, r.time FROM reading r
         WHERE r.device_id = t.device_id AND r.time >= %(border)s AND r.time < %(start)s
         ORDER BY r.time DESC LIMIT 1)
        UNION ALL
        (SELECT c.last, c.last_at FROM hourly_consumption c
         WHERE c.device_id = t.device_id AND c.hour < %(border)s
         ORDER BY c.hour DESC LIMIT 1)
        ORDER BY 2 DESC LIMIT 1
    ) p
    WHERE t.measurement = 'cumulative'
), steps AS (
    SELECT t.device_id, t.day, t.measurement, t.modulus, t.intervals, r.account_id, r.value, r.time,
        coalesce(lag(r.value) OVER by_time, b.value) AS before,
        coalesce(lag(r.time) OVER by_time, b.time) AS before_at,
        row_number() OVER (
            PARTITION BY t.device_id, date_bin('1 hour', r.time, %(start)s) ORDER BY r.time
        ) AS in_hour
    FROM touched t
    JOIN reading r ON r.device_id = t.device_id AND r.time >= %(start)s AND r.time < %(end)s
    LEFT JOIN before_day b ON b.device_id = t.device_id
    WINDOW by_time AS (PARTITION BY t.device_id ORDER BY r.time)
)
INSERT INTO daily_aggregate (device_id, day, account_id, total, reading_sum, minimum, maximum, first,
    last, readings_count, intervals_seen)
SELECT device_id, day, last(account_id, time),
    CASE measurement
        WHEN 'delta' THEN sum(value)
        WHEN 'cumulative'
            THEN sum(register_increment(device_id, modulus, before, before_at, value, time))
    END,
    sum(value), min(value), max(value), first(value, time), last(value, time), count(*),
    sum(least(in_hour, intervals) - least(in_hour - 1, intervals))
FROM steps
GROUP BY device_id, day, measurement
ON CONFLICT (device_id, day) DO UPDATE SET
    account_id = excluded.account_id, total = excluded.total, reading_sum = excluded.reading_sum,
    minimum = excluded.minimum, maximum = excluded.maximum, first = excluded.first,
    last = excluded.last, readings_count = excluded.readings_count,
    intervals_seen = excluded.intervals_seen
