-- Touched days, from the hours of their account that lie whole in them and the parts of hours at their
-- ends: days add up to hours, whoever owned the device. The two ends count as one hour for the
-- coverage.
INSERT INTO daily_aggregate (device_id, day, account_id, total, reading_sum, minimum, maximum, first,
    last, readings_count, intervals_seen)
SELECT t.device_id, t.day, t.account_id,
    CASE d.measurement WHEN 'delta' THEN s.total WHEN 'cumulative' THEN s.consumption END,
    s.total, s.minimum, s.maximum, s.first, s.last, s.readings_count, s.intervals_seen
FROM touched_day t
JOIN device d ON d.id = t.device_id
CROSS JOIN LATERAL (
    SELECT sum(p.total) AS total, sum(coalesce(p.consumption, 0)) AS consumption,
        min(p.minimum) AS minimum, max(p.maximum) AS maximum, first(p.first, p.starts_at) AS first,
        last(p.last, p.starts_at) AS last, sum(p.readings_count) AS readings_count,
        sum(least(p.whole, intervals_an_hour(d.interval_s)))
            + least(sum(p.cut), intervals_an_hour(d.interval_s)) AS intervals_seen
    FROM (
        SELECT h.hour AS starts_at,
            CASE WHEN d.measurement = 'cumulative' THEN (
                SELECT c.consumption FROM hourly_consumption c
                WHERE c.device_id = h.device_id AND c.hour = h.hour
            ) END AS consumption,
            h.total, h.minimum, h.maximum, h.first, h.last, h.readings_count,
            h.readings_count AS whole, 0 AS cut
        FROM hourly_aggregate h
        WHERE h.device_id = t.device_id AND h.account_id = t.account_id
          AND h.hour >= t.starts_at AND h.hour <= t.ends_at - interval '1 hour'
          AND h.hour >= %(first)s AND h.hour < %(last)s
        UNION ALL
        SELECT e.starts_at, e.consumption, e.total, e.minimum, e.maximum, e.first, e.last,
            e.readings_count, 0, e.readings_count
        FROM day_part e
        WHERE e.device_id = t.device_id AND e.day = t.day AND e.account_id = t.account_id
    ) p
    HAVING count(*) > 0
) s
ON CONFLICT (device_id, day, account_id) DO UPDATE SET
    total = excluded.total, reading_sum = excluded.reading_sum, minimum = excluded.minimum,
    maximum = excluded.maximum, first = excluded.first, last = excluded.last,
    readings_count = excluded.readings_count, intervals_seen = excluded.intervals_seen
