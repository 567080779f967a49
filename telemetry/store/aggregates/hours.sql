-- name: list_dirty_hours
-- The hours of dirty rows that are not frozen for all of their devices.
SELECT DISTINCT t.hour
FROM (SELECT DISTINCT hour, unnest(device_ids) AS device_id
      FROM dirty_hour WHERE id = ANY(%(ids)s)) t
JOIN device d ON d.id = t.device_id
JOIN account a ON a.id = d.account_id
WHERE NOT is_hour_dropped(t.hour, a.zones,
    (SELECT coalesce(max(dropped_before), '-infinity') FROM raw_horizon))
ORDER BY 1

-- name: refresh_hourly
-- Compute the affected hours of a span, or of some of its hours and devices, again (Apache
-- edition), and what deltas consumed in them, all from one look at their readings. An hour counts
-- the readings after its start, up to and including its end. The bounds are constants, so that only
-- their chunk is planned and opened; the devices of an hour are read together, as their readings
-- lie together. An hour is the account's that its first received reading names: what comes late
-- never takes it away.
WITH found AS MATERIALIZED (
    SELECT h.device_id, t.hour, h.account_id, h.total, h.minimum, h.maximum, h.first, h.first_at,
        h.last, h.last_at, h.readings_count
    FROM (
        SELECT hour, array_agg(device_id) AS device_ids
        FROM affected_hour
        WHERE known_until IS NULL AND hour >= %(start)s AND hour < %(end)s
          AND (%(devices)s::bigint[] IS NULL OR device_id = ANY(%(devices)s::bigint[]))
        GROUP BY hour
    ) t
    CROSS JOIN LATERAL (
        SELECT r.device_id, first(r.account_id, r.received_at) AS account_id, sum(r.value) AS total,
            min(r.value) AS minimum, max(r.value) AS maximum, first(r.value, r.time) AS first,
            last(r.value, r.time) AS last, min(r.time) AS first_at, max(r.time) AS last_at,
            count(*) AS readings_count
        FROM reading r
        WHERE r.device_id = ANY(t.device_ids)
          AND r.time > t.hour AND r.time <= t.hour + interval '1 hour'
          AND r.time > %(start)s AND r.time <= %(end)s
        GROUP BY r.device_id
    ) h
), deltas AS (
    INSERT INTO hourly_consumption (device_id, hour, account_id, consumption, within, first,
        first_at, last, last_at)
    SELECT f.device_id, f.hour, f.account_id, f.total, f.total - f.first, f.first, f.first_at,
        f.last, f.last_at
    FROM found f JOIN affected_hour t ON t.device_id = f.device_id AND t.hour = f.hour
    WHERE t.measurement = 'delta'
    ON CONFLICT (device_id, hour) DO UPDATE SET
        account_id = excluded.account_id, within = excluded.within, first = excluded.first,
        first_at = excluded.first_at, last = excluded.last, last_at = excluded.last_at, steps = NULL
)
INSERT INTO hourly_aggregate (device_id, hour, account_id, total, mean, minimum, maximum, first,
    last, last_at, readings_count)
SELECT device_id, hour, account_id, total, total / readings_count, minimum, maximum, first, last,
    last_at, readings_count
FROM found
ON CONFLICT (device_id, hour) DO UPDATE SET
    account_id = excluded.account_id, total = excluded.total, mean = excluded.mean,
    minimum = excluded.minimum, maximum = excluded.maximum, first = excluded.first,
    last = excluded.last, last_at = excluded.last_at, readings_count = excluded.readings_count

-- name: refresh_deltas
-- What deltas consumed in affected hours of a span, where a continuous aggregate has the rest.
INSERT INTO hourly_consumption (device_id, hour, account_id, consumption, within, first, first_at,
    last, last_at)
SELECT h.device_id, t.hour, h.account_id, h.total, h.total - h.first, h.first, h.first_at, h.last,
    h.last_at
FROM (
    SELECT hour, array_agg(device_id) AS device_ids
    FROM affected_hour
    WHERE measurement = 'delta' AND known_until IS NULL AND hour >= %(start)s AND hour < %(end)s
      AND (%(devices)s::bigint[] IS NULL OR device_id = ANY(%(devices)s::bigint[]))
    GROUP BY hour
) t
CROSS JOIN LATERAL (
    SELECT r.device_id, first(r.account_id, r.received_at) AS account_id, sum(r.value) AS total,
        first(r.value, r.time) AS first, last(r.value, r.time) AS last, min(r.time) AS first_at,
        max(r.time) AS last_at
    FROM reading r
    WHERE r.device_id = ANY(t.device_ids)
      AND r.time > t.hour AND r.time <= t.hour + interval '1 hour'
      AND r.time > %(start)s AND r.time <= %(end)s
    GROUP BY r.device_id
) h
ON CONFLICT (device_id, hour) DO UPDATE SET
    account_id = excluded.account_id, within = excluded.within, first = excluded.first,
    first_at = excluded.first_at, last = excluded.last, last_at = excluded.last_at, steps = NULL

-- name: scale_deltas
-- What deltas with a factor consumed: each is multiplied, and rounded, by itself.
UPDATE hourly_consumption c SET within = s.total - scaled(c.first, s.factor)
FROM (
    SELECT t.device_id, t.hour, t.factor, sum(scaled(r.value, t.factor)) AS total
    FROM affected_hour t
    JOIN reading r ON r.device_id = t.device_id
        AND r.time > t.hour AND r.time <= t.hour + interval '1 hour'
        AND r.time > %(start)s AND r.time <= %(end)s
    WHERE t.measurement = 'delta' AND t.factor <> 1 AND t.known_until IS NULL
      AND t.hour >= %(start)s AND t.hour < %(end)s
    GROUP BY t.device_id, t.hour, t.factor
) s
WHERE c.device_id = s.device_id AND c.hour = s.hour

-- name: refresh_registers
-- Registers: the two ends of each affected hour of a span, and what lies between them where the
-- readings rise. Where they do not, uneven.py counts; `[]` says so until then. Read as in
-- refresh_hourly.
WITH found AS (
    SELECT s.device_id, s.hour, first(s.account_id, s.received_at) AS account_id,
        first(s.value, s.time) AS first, min(s.time) AS first_at, last(s.value, s.time) AS last,
        max(s.time) AS last_at, bool_or(s.value < s.before) AS falls
    FROM (
        SELECT hour, array_agg(device_id) AS device_ids
        FROM affected_hour
        WHERE measurement = 'cumulative' AND known_until IS NULL
          AND hour >= %(start)s AND hour < %(end)s
          AND (%(devices)s::bigint[] IS NULL OR device_id = ANY(%(devices)s::bigint[]))
        GROUP BY hour
    ) each
    CROSS JOIN LATERAL (
        SELECT r.device_id, each.hour, r.account_id, r.received_at, r.value, r.time,
            lag(r.value) OVER by_time AS before
        FROM reading r
        WHERE r.device_id = ANY(each.device_ids)
          AND r.time > each.hour AND r.time <= each.hour + interval '1 hour'
          AND r.time > %(start)s AND r.time <= %(end)s
        WINDOW by_time AS (PARTITION BY r.device_id ORDER BY r.time)
    ) s
    GROUP BY s.device_id, s.hour
)
INSERT INTO hourly_consumption (device_id, hour, account_id, consumption, within, first, first_at,
    last, last_at, steps)
SELECT f.device_id, f.hour, f.account_id, 0, scaled(f.last, t.factor) - scaled(f.first, t.factor),
    f.first, f.first_at, f.last, f.last_at, CASE WHEN f.falls THEN '[]'::jsonb END
FROM found f JOIN affected_hour t USING (device_id, hour)
ON CONFLICT (device_id, hour) DO UPDATE SET
    account_id = excluded.account_id, within = excluded.within, first = excluded.first,
    first_at = excluded.first_at, last = excluded.last, last_at = excluded.last_at,
    steps = excluded.steps

-- name: record_gaps
-- The gaps that end in affected hours, before and after they are counted: they are consumption of the
-- days in between.
INSERT INTO affected_span (device_id, account_id, since, until)
SELECT c.device_id, c.account_id, c.step_from, c.step_to
FROM affected_hour t
JOIN hourly_consumption c ON c.device_id = t.device_id AND c.hour = t.hour AND c.is_gap

-- name: delete_wrong_kind
-- What is left of another measurement: a gauge consumes nothing, a delta nothing without readings.
DELETE FROM hourly_consumption c USING affected_hour t
WHERE c.device_id = t.device_id AND c.hour = t.hour
  AND (t.measurement = 'gauge' OR t.measurement = 'delta' AND c.first IS NULL)

-- name: find_affected_next_hours
-- The step into an hour begins at the last reading before it: the next hour that has readings
-- changes with the one before it. Hours that are still dirty are not seen here; when they are
-- refreshed, they affect the hour after them.
INSERT INTO affected_hour (device_id, hour, measurement, factor, longest_step, is_frozen)
SELECT DISTINCT t.device_id, after.hour, i.measurement, i.factor,
    CASE WHEN t.longest_step IS NOT NULL THEN longest_step(i.interval_s) END, false
FROM affected_hour t
CROSS JOIN LATERAL (
    SELECT c.hour FROM hourly_consumption c
    WHERE c.device_id = t.device_id AND c.hour > t.hour
    ORDER BY c.hour LIMIT 1
) after
CROSS JOIN LATERAL installation_of(t.device_id, after.hour, after.hour + interval '1 hour') AS i
WHERE t.measurement <> 'gauge'
ON CONFLICT DO NOTHING

-- name: find_counted_hours
-- Affected hours of registers and deltas, with the last reading before them. They are counted reading
-- by reading where the meter is changed, in the hour or on the way into it; a register also where
-- there is a fall or what is left of one: there, or within four hours with readings, as a reading can
-- tell that earlier ones were a dip. Elsewhere it rises.
INSERT INTO counted_hour (device_id, hour, measurement, factor, longest_step, before, before_at,
    is_uneven)
SELECT t.device_id, t.hour, t.measurement, t.factor, t.longest_step, b.last, b.last_at,
    t.device_id IN (SELECT device_id FROM installation WHERE since IS NOT NULL)
        AND EXISTS (
            SELECT FROM installation_period p
            WHERE p.device_id = t.device_id AND p.since <= t.hour + interval '1 hour'
              AND p.since > coalesce(b.last_at, '-infinity'))
    OR t.measurement = 'cumulative' AND (
        c.steps IS NOT NULL OR coalesce(c.first < b.last, false)
        OR t.device_id IN (SELECT device_id FROM hourly_consumption WHERE steps IS NOT NULL)
            AND EXISTS (
                SELECT FROM hourly_consumption u
                WHERE u.device_id = t.device_id AND u.steps IS NOT NULL
                  AND u.hour >= coalesce((
                    SELECT n.hour FROM hourly_consumption n
                    WHERE n.device_id = t.device_id AND n.hour < t.hour
                    ORDER BY n.hour DESC OFFSET 3 LIMIT 1), '-infinity')
                  AND u.hour <= coalesce((
                    SELECT n.hour FROM hourly_consumption n
                    WHERE n.device_id = t.device_id AND n.hour > t.hour
                    ORDER BY n.hour OFFSET 3 LIMIT 1), 'infinity'))
    )
FROM affected_hour t
LEFT JOIN hourly_consumption c ON c.device_id = t.device_id AND c.hour = t.hour
LEFT JOIN LATERAL (
    SELECT n.last, n.last_at FROM hourly_consumption n
    WHERE n.device_id = t.device_id AND n.hour < t.hour AND n.last IS NOT NULL
    ORDER BY n.hour DESC LIMIT 1
) b ON true
WHERE t.measurement <> 'gauge'

-- name: count_hours
-- The consumption of affected hours: the step from the last reading before, and what lies within. The
-- first delta ever counts at its instant; the first reading ever of a register counts nothing.
UPDATE hourly_consumption c
SET (step, consumption) = (
        SELECT step, c.within + step
        FROM (VALUES (CASE WHEN t.measurement = 'delta' THEN scaled(c.first, t.factor)
            ELSE coalesce(scaled(c.first, t.factor) - scaled(t.before, t.factor), 0) END))
            AS counted (step)),
    step_from = t.before_at, step_to = c.first_at,
    is_gap = coalesce(t.before_at < c.hour AND c.first_at - t.before_at > t.longest_step, false),
    height = NULL, height_at = NULL
FROM counted_hour t
WHERE c.device_id = t.device_id AND c.hour = t.hour AND NOT t.is_uneven

-- name: find_emptied_hours
-- Of hours that an edit changed, in a span: those without readings now. Read as in refresh_hourly.
SELECT e.device_id, e.hour
FROM (SELECT DISTINCT device_id, hour FROM affected_edit) e
JOIN affected_hour USING (device_id, hour)
WHERE e.hour >= %(start)s AND e.hour < %(end)s
  AND NOT EXISTS (
    SELECT FROM reading r
    WHERE r.device_id = e.device_id AND r.time > e.hour AND r.time <= e.hour + interval '1 hour'
      AND r.time > %(start)s AND r.time <= %(end)s)

-- name: delete_emptied_registers
DELETE FROM hourly_consumption c
USING unnest(%(device_ids)s::bigint[], %(hours)s::timestamptz[]) AS e (device_id, hour)
WHERE c.device_id = e.device_id AND c.hour = e.hour

-- name: delete_emptied_hours
DELETE FROM hourly_aggregate h
USING unnest(%(device_ids)s::bigint[], %(hours)s::timestamptz[]) AS e (device_id, hour)
WHERE h.device_id = e.device_id AND h.hour = e.hour
