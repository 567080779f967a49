-- name: watch_devices
-- Bring the cursors in line with the fleet, and end the alarms that no reading can close any more: at
-- one instant, so that an open alarm always has the limit and the account of its device's cursor.
-- Devices that are evaluated from now on, or with other limits or in another account than before, begin
-- with their newest reading: it decides at once, and what was before it is not evaluated again.
-- Answers how many alarms ended, and which devices must be evaluated: all, or those that begin and those
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
    WHERE o.closed_at IS NULL AND d.id = o.device_id AND o.kind IN ('low', 'high')
      AND (w.account_id, CASE o.kind WHEN 'low' THEN w.low ELSE w.high END)
        IS DISTINCT FROM (o.account_id, o.limit_value)
    RETURNING o.id
), removed AS (
    DELETE FROM alarm_cursor c WHERE NOT EXISTS (SELECT FROM watched w WHERE w.id = c.device_id)
), begun AS (
    INSERT INTO alarm_cursor (device_id, account_id, low, high, evaluated_until)
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
        high = excluded.high, evaluated_until = excluded.evaluated_until
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

-- name: evaluate_alarms
-- Evaluate the readings of some devices since the last evaluated one, in the order of time, up to `until`.
-- What the readings come to is what telemetry/core/alarms.py says; a property test holds the two together.
-- Limits and lists of devices keep every plan to indexes: in a storm of alarms statistics are behind.
WITH fresh AS MATERIALIZED (
    -- One index scan for each device. Most are within their limits: that ends it.
    SELECT c.device_id, c.account_id, c.low, c.high, c.evaluated_until, r.*
    FROM alarm_cursor c
    CROSS JOIN LATERAL (
        SELECT max(time) AS newest, min(value) AS lowest, max(value) AS highest, count(*) AS number
        FROM (
            SELECT time, value FROM reading
            WHERE device_id = c.device_id AND account_id = c.account_id
              AND time > c.evaluated_until AND time > %(horizon)s AND time <= %(until)s
            ORDER BY time LIMIT %(readings)s
        ) AS following
    ) AS r
    WHERE c.device_id = ANY(%(device_ids)s) AND r.number > 0
), sided AS MATERIALIZED (
    -- Each limit that was crossed, or has an open alarm.
    SELECT f.device_id, f.account_id, f.evaluated_until, f.newest, k.kind, k.limit_value, a.id AS open_id
    FROM fresh f
    CROSS JOIN LATERAL (
        VALUES ('low', f.low, f.lowest < f.low), ('high', f.high, f.highest > f.high)
    ) AS k (kind, limit_value, is_crossed)
    LEFT JOIN LATERAL (
        SELECT id FROM alarm
        WHERE device_id = f.device_id AND kind = k.kind AND closed_at IS NULL
        LIMIT 1
    ) AS a ON true
    WHERE k.is_crossed OR (a.id IS NOT NULL AND k.limit_value IS NOT NULL)
), evaluated AS (
    SELECT s.*, r.time, r.value,
        CASE s.kind WHEN 'low' THEN r.value < s.limit_value ELSE r.value > s.limit_value END
            AS is_beyond
    FROM sided s
    CROSS JOIN LATERAL (
        SELECT time, value FROM reading
        WHERE device_id = s.device_id AND account_id = s.account_id
          AND time > s.evaluated_until AND time > %(horizon)s
          AND time <= s.newest AND time <= %(until)s
        ORDER BY time LIMIT %(readings)s
    ) AS r
), turned AS (
    SELECT *, is_beyond <> lag(is_beyond, 1, open_id IS NOT NULL)
        OVER (PARTITION BY device_id, kind ORDER BY time) AS is_turn
    FROM evaluated
), numbered AS (
    SELECT *, count(*) FILTER (WHERE is_turn) OVER (PARTITION BY device_id, kind ORDER BY time) AS run
    FROM turned
), runs AS (
    SELECT device_id, account_id, kind, limit_value, open_id, is_beyond,
        min(time) AS first_at, max(time) AS last_at,
        CASE kind WHEN 'low' THEN min(value) ELSE max(value) END AS worst,
        lead(min(time)) OVER side AS next_at, row_number() OVER side = 1 AS is_first
    FROM numbered
    GROUP BY device_id, account_id, kind, limit_value, open_id, is_beyond, run
    WINDOW side AS (PARTITION BY device_id, kind ORDER BY run)
), continued AS (
    UPDATE alarm a SET
        value = CASE WHEN NOT r.is_beyond THEN a.value
            WHEN r.kind = 'low' THEN least(a.value, r.worst) ELSE greatest(a.value, r.worst) END,
        last_beyond_at = CASE WHEN r.is_beyond THEN r.last_at ELSE a.last_beyond_at END,
        closed_at = CASE WHEN r.is_beyond THEN r.next_at ELSE r.first_at END,
        ending = CASE WHEN r.is_beyond AND r.next_at IS NULL THEN '' ELSE 'reading' END,
        changed_at = now()
    FROM runs r
    WHERE a.device_id = ANY(%(device_ids)s) AND a.closed_at IS NULL
      AND a.id = r.open_id AND r.is_first
    RETURNING a.closed_at
), closed AS (
    -- Counted before anything is opened: a device and kind has one open alarm at a time.
    SELECT count(*) FILTER (WHERE closed_at IS NOT NULL) AS number FROM continued
), opened AS (
    INSERT INTO alarm (account_id, device_id, kind, limit_value, value, opened_at, last_beyond_at,
        closed_at, ending)
    SELECT r.account_id, r.device_id, r.kind, r.limit_value, r.worst, r.first_at, r.last_at, r.next_at,
        CASE WHEN r.next_at IS NULL THEN '' ELSE 'reading' END
    FROM runs r CROSS JOIN closed
    WHERE r.is_beyond AND NOT (r.is_first AND r.open_id IS NOT NULL) AND closed.number >= 0
    RETURNING closed_at
), moved AS (
    UPDATE alarm_cursor c SET evaluated_until = f.newest
    FROM fresh f
    WHERE c.device_id = ANY(%(device_ids)s) AND c.device_id = f.device_id
)
SELECT (SELECT count(*) FROM fresh) AS evaluated,
    (SELECT count(*) FROM fresh WHERE number = %(readings)s) AS behind,
    (SELECT count(*) FROM opened) AS opened,
    (SELECT number FROM closed) + (SELECT count(closed_at) FROM opened) AS closed
