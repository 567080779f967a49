-- Hours from %(start)s to %(end)s that are missing, too many or other than the readings say.
INSERT INTO difference (relation, device_id, place, starts_at, ends_at, since, stands, expected)
SELECT 'hourly_aggregate', device_id, to_char(hour AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI"Z"'),
    hour, hour + interval '1 hour', coalesce(e.since, hour),
    CASE WHEN a.readings_count IS NOT NULL THEN jsonb_build_object('account_id', a.account_id,
        'total', a.total, 'mean', a.mean, 'minimum', a.minimum, 'maximum', a.maximum,
        'first', a.first, 'last', a.last, 'readings_count', a.readings_count) END,
    CASE WHEN e.readings_count IS NOT NULL THEN jsonb_build_object('account_id', e.account_id,
        'total', e.total, 'mean', e.mean, 'minimum', e.minimum, 'maximum', e.maximum,
        'first', e.first, 'last', e.last, 'readings_count', e.readings_count) END
FROM expected_hour e
FULL JOIN (
    SELECT h.* FROM hourly_aggregate h JOIN verified_device d ON d.id = h.device_id
    WHERE h.hour >= %(start)s AND h.hour < %(end)s
) a USING (device_id, hour)
WHERE (a.account_id, a.total, a.mean, a.minimum, a.maximum, a.first, a.last, a.readings_count)
    IS DISTINCT FROM
    (e.account_id, e.total, e.mean, e.minimum, e.maximum, e.first, e.last, e.readings_count)
