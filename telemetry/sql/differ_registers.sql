-- The same for what registers counted.
INSERT INTO difference (relation, device_id, place, starts_at, ends_at, since, stands, expected)
SELECT 'hourly_consumption', device_id,
    to_char(hour AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI"Z"'),
    hour, hour + interval '1 hour', coalesce(e.since, hour),
    CASE WHEN a.first_at IS NOT NULL THEN jsonb_build_object('account_id', a.account_id,
        'consumption', a.consumption, 'within', a.within, 'first', a.first,
        'first_at', a.first_at, 'last', a.last, 'last_at', a.last_at) END,
    CASE WHEN e.first_at IS NOT NULL THEN jsonb_build_object('account_id', e.account_id,
        'consumption', e.consumption, 'within', e.within, 'first', e.first,
        'first_at', e.first_at, 'last', e.last, 'last_at', e.last_at) END
FROM (SELECT * FROM expected_hour WHERE measurement = 'cumulative') e
FULL JOIN (
    SELECT h.* FROM hourly_consumption h JOIN verified_device d ON d.id = h.device_id
    WHERE h.hour >= %(start)s AND h.hour < %(end)s AND d.measurement = 'cumulative'
) a USING (device_id, hour)
WHERE (a.account_id, a.consumption, a.within, a.first, a.first_at, a.last, a.last_at)
    IS DISTINCT FROM
    (e.account_id, e.consumption, e.within, e.first, e.first_at, e.last, e.last_at)
