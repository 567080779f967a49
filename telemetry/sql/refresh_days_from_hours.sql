-- Touched days of whole UTC hours, from hourly rows. Each hour belongs to one local day, that of the
-- account its readings name: days add up to hours, whoever owned the device.
INSERT INTO daily_aggregate (device_id, day, account_id, total, reading_sum, minimum, maximum, first,
    last, readings_count, intervals_seen)
SELECT t.device_id, t.day, last(h.account_id, h.hour),
    CASE d.measurement
        WHEN 'delta' THEN sum(h.total)
        WHEN 'cumulative' THEN sum(coalesce(c.consumption, 0))
    END,
    sum(h.total), min(h.minimum), max(h.maximum), first(h.first, h.hour), last(h.last, h.hour),
    sum(h.readings_count), sum(least(h.readings_count, intervals_an_hour(d.interval_s)))
FROM touched_day t
JOIN device d ON d.id = t.device_id
JOIN hourly_aggregate h ON h.device_id = t.device_id
    AND h.hour >= t.starts_at - interval '1 day' AND h.hour < t.ends_at + interval '1 day'
    AND h.hour >= %(first)s AND h.hour < %(last)s
JOIN account a ON a.id = h.account_id AND (h.hour AT TIME ZONE a.time_zone)::date = t.day
LEFT JOIN hourly_consumption c ON c.device_id = h.device_id AND c.hour = h.hour
    AND d.measurement = 'cumulative'
WHERE t.is_whole_hours
GROUP BY t.device_id, t.day, d.measurement
ON CONFLICT (device_id, day) DO UPDATE SET
    account_id = excluded.account_id, total = excluded.total, reading_sum = excluded.reading_sum,
    minimum = excluded.minimum, maximum = excluded.maximum, first = excluded.first,
    last = excluded.last, readings_count = excluded.readings_count,
    intervals_seen = excluded.intervals_seen
