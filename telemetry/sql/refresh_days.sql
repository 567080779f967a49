-- Touched days, from the hours of their account that lie whole in them and the parts of hours at their
-- ends: days add up to hours, whoever owned the device. The two ends count as one hour for the
-- coverage.
WITH pieces AS (
    SELECT t.device_id, t.day, t.account_id, h.hour AS starts_at, c.consumption, h.total, h.minimum,
        h.maximum, h.first, h.last, h.readings_count, h.readings_count AS whole, 0 AS cut
    FROM touched_day t
    JOIN hourly_aggregate h ON h.device_id = t.device_id AND h.account_id = t.account_id
        AND h.hour >= t.starts_at AND h.hour <= t.ends_at - interval '1 hour'
        AND h.hour >= %(first)s AND h.hour < %(last)s
    LEFT JOIN hourly_consumption c ON c.device_id = h.device_id AND c.hour = h.hour
    UNION ALL
    SELECT device_id, day, account_id, starts_at, consumption, total, minimum, maximum, first, last,
        readings_count, 0, readings_count
    FROM day_part
)
INSERT INTO daily_aggregate (device_id, day, account_id, total, reading_sum, minimum, maximum, first,
    last, readings_count, intervals_seen)
SELECT p.device_id, p.day, p.account_id,
    CASE d.measurement
        WHEN 'delta' THEN sum(p.total)
        WHEN 'cumulative' THEN sum(coalesce(p.consumption, 0))
    END,
    sum(p.total), min(p.minimum), max(p.maximum), first(p.first, p.starts_at),
    last(p.last, p.starts_at), sum(p.readings_count),
    sum(least(p.whole, intervals_an_hour(d.interval_s)))
        + least(sum(p.cut), intervals_an_hour(d.interval_s))
FROM pieces p JOIN device d ON d.id = p.device_id
GROUP BY p.device_id, p.day, p.account_id, d.measurement, d.interval_s
ON CONFLICT (device_id, day, account_id) DO UPDATE SET
    total = excluded.total, reading_sum = excluded.reading_sum, minimum = excluded.minimum,
    maximum = excluded.maximum, first = excluded.first, last = excluded.last,
    readings_count = excluded.readings_count, intervals_seen = excluded.intervals_seen
