-- Bring the cursors in line with the fleet, and end the alarms that no reading can close any more: at
-- one instant, so that an open alarm always has the limit and the account of its device's cursor.
-- Devices that are judged from now on, or with other limits or in another account than before, begin
-- with their newest reading: it decides at once, and what was before it is not judged anew.
-- Answers how many alarms ended, and which devices are to be judged: all, or those that begin and those
-- whose gateway was seen lately.
WITH watched AS MATERIALIZED (
    SELECT d.id, d.account_id, d.alarm_low AS low, d.alarm_high AS high, g.last_seen
    FROM device d
    JOIN gateway g ON g.id = d.gateway_id
    JOIN account a ON a.id = d.account_id
    WHERE (d.alarm_low IS NOT NULL OR d.alarm_high IS NOT NULL)
      AND d.is_active AND g.is_active AND a.is_active
), ended AS (
    UPDATE alarm o
    SET closed_at = greatest(%(at)s, o.last_beyond_at), changed_at = now(),
        ending = CASE
            WHEN d.account_id <> o.account_id THEN 'moved'
            WHEN w.id IS NULL AND (d.alarm_low IS NOT NULL OR d.alarm_high IS NOT NULL)
                THEN 'inactive'
            ELSE 'limit' END
    FROM device d
    LEFT JOIN watched w ON w.id = d.id
    WHERE o.closed_at IS NULL AND d.id = o.device_id
      AND (w.account_id, CASE o.kind WHEN 'low' THEN w.low ELSE w.high END)
        IS DISTINCT FROM (o.account_id, o.limit_value)
    RETURNING o.id
), forgotten AS (
    DELETE FROM alarm_cursor c WHERE NOT EXISTS (SELECT FROM watched w WHERE w.id = c.device_id)
), begun AS (
    INSERT INTO alarm_cursor (device_id, account_id, low, high, judged_until)
    SELECT w.id, w.account_id, w.low, w.high,
        coalesce(r.time - interval '1 microsecond', %(horizon)s)
    FROM watched w
    LEFT JOIN alarm_cursor c ON c.device_id = w.id
    LEFT JOIN LATERAL (
        SELECT time FROM reading
        WHERE device_id = w.id AND account_id = w.account_id
          AND time > %(horizon)s AND time <= %(until)s
        ORDER BY time DESC LIMIT 1
    ) AS r ON true
    WHERE (c.account_id, c.low, c.high) IS DISTINCT FROM (w.account_id, w.low, w.high)
    ORDER BY w.id
    ON CONFLICT (device_id) DO UPDATE SET account_id = excluded.account_id, low = excluded.low,
        high = excluded.high, judged_until = excluded.judged_until
    RETURNING device_id
)
SELECT (SELECT count(*) FROM ended), (
    SELECT coalesce(array_agg(device_id ORDER BY device_id), '{}')
    FROM (
        SELECT id AS device_id FROM watched
        WHERE %(seen_since)s::timestamptz IS NULL OR last_seen >= %(seen_since)s
        UNION SELECT device_id FROM begun
    ) AS due
)
