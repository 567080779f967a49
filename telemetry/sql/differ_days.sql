-- The local day %(day)s: rows that are missing, too many or other than the readings say.
INSERT INTO difference (relation, device_id, place, starts_at, ends_at, since, account_id, stands,
    expected)
SELECT 'daily_aggregate', device_id, day::text, z.starts_at, z.ends_at,
    date_trunc('hour', least(e.since, z.starts_at), 'UTC'), account_id,
    CASE WHEN a.readings_count IS NOT NULL THEN jsonb_build_object(
        'total', a.total, 'reading_sum', a.reading_sum, 'minimum', a.minimum,
        'maximum', a.maximum, 'first', a.first, 'last', a.last,
        'readings_count', a.readings_count, 'intervals_seen', a.intervals_seen) END,
    CASE WHEN e.readings_count IS NOT NULL THEN jsonb_build_object(
        'total', e.total, 'reading_sum', e.reading_sum, 'minimum', e.minimum,
        'maximum', e.maximum, 'first', e.first, 'last', e.last,
        'readings_count', e.readings_count, 'intervals_seen', e.intervals_seen) END
FROM (SELECT * FROM expected_day WHERE day = %(day)s) e
FULL JOIN (
    SELECT h.* FROM daily_aggregate h
    JOIN verified_device d ON d.id = h.device_id
    JOIN verified_account c ON c.id = h.account_id
    WHERE h.day = %(day)s
) a USING (device_id, day, account_id)
JOIN verified_account c ON c.id = account_id
JOIN verified_zone z ON z.time_zone = c.time_zone
WHERE (a.total, a.reading_sum, a.minimum, a.maximum, a.first, a.last,
        a.readings_count, a.intervals_seen)
    IS DISTINCT FROM
    (e.total, e.reading_sum, e.minimum, e.maximum, e.first, e.last,
        e.readings_count, e.intervals_seen)
