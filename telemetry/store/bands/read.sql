-- name: whole_hours
-- What devices consumed in UTC hours that lie in one band each, by the steps that end in them; without
-- gaps.
SELECT c.device_id, p.band, sum(c.consumption - CASE WHEN c.is_gap THEN c.step ELSE 0 END)
FROM hourly_consumption c
JOIN unnest(%(hours)s::timestamptz[], %(bands)s::text[]) AS p (hour, band) ON p.hour = c.hour
WHERE c.device_id = ANY(%(devices)s::bigint[]) AND c.account_id = %(account)s
  AND c.hour >= %(since)s AND c.hour < %(until)s
GROUP BY c.device_id, p.band

-- name: cut_hours
-- What devices consumed in UTC hours in which the band changes, with the steps that end in them: read
-- by reading, or as they were counted where a register does not rise. A gap that ends there is not
-- in it. An hour whose readings are gone has no steps.
SELECT c.device_id, c.hour, c.consumption - CASE WHEN c.is_gap THEN c.step ELSE 0 END,
    coalesce(s.instants, '{}'), coalesce(s.consumed, '{}')
FROM hourly_consumption c
CROSS JOIN LATERAL installation_of(c.device_id, c.hour, c.hour + interval '1 hour') AS i
LEFT JOIN LATERAL (
    SELECT array_agg(at ORDER BY at) AS instants, array_agg(consumed ORDER BY at) AS consumed
    FROM (
        SELECT r.time AS at, CASE i.measurement WHEN 'delta' THEN scaled(r.value, i.factor)
            ELSE coalesce(scaled(r.value, i.factor)
                - scaled(lag(r.value) OVER (ORDER BY r.time), i.factor), c.step) END AS consumed
        FROM reading r
        WHERE c.steps IS NULL AND r.device_id = c.device_id
          AND r.time > c.hour AND r.time <= c.hour + interval '1 hour'
          AND r.time > %(since)s AND r.time <= %(until)s
        UNION ALL
        SELECT (one ->> 0)::timestamptz, (one ->> 1)::numeric
        FROM jsonb_array_elements(c.steps) AS one
    ) counted
    WHERE NOT c.is_gap OR at <> c.step_to
) s ON true
WHERE c.device_id = ANY(%(devices)s::bigint[]) AND c.account_id = %(account)s
  AND c.hour = ANY(%(hours)s::timestamptz[])

-- name: gaps
-- The gaps of devices that end in a period, or in the hour it begins in, and the one that reaches over
-- its end.
SELECT d.id, g.step, g.step_from, g.step_to
FROM unnest(%(devices)s::bigint[]) AS d (id)
CROSS JOIN LATERAL (
    SELECT account_id, step, step_from, step_to FROM hourly_consumption
    WHERE device_id = d.id AND is_gap
      AND hour > %(since)s::timestamptz - interval '1 hour' AND hour < %(until)s
    UNION ALL
    (SELECT account_id, step, step_from, step_to FROM hourly_consumption
     WHERE device_id = d.id AND is_gap AND hour >= %(until)s
     ORDER BY hour LIMIT 1)
) g
WHERE g.account_id = %(account)s AND g.step_from < %(until)s

-- name: largest_demand
-- The largest demand of devices by band: what was consumed in a quarter of an hour, four times. A step
-- is spread evenly over its time. Steps of an hour come to what was counted in it.
WITH hours AS MATERIALIZED (
    SELECT c.*, i.measurement, i.factor FROM hourly_consumption c
    CROSS JOIN LATERAL installation_of(c.device_id, c.hour, c.hour + interval '1 hour') AS i
    WHERE c.device_id = ANY(%(devices)s::bigint[]) AND c.account_id = %(account)s
      AND c.hour > %(since)s::timestamptz - interval '1 hour'
      AND c.hour < %(until)s::timestamptz + interval '1 hour'
), counted AS (
    SELECT c.device_id, c.hour, r.time AS at, CASE c.measurement
        WHEN 'delta' THEN scaled(r.value, c.factor)
        ELSE coalesce(scaled(r.value, c.factor) - scaled(lag(r.value) OVER of_hour, c.factor),
            c.step) END AS consumed
    FROM hours c
    JOIN reading r ON r.device_id = c.device_id AND r.time > c.hour
        AND r.time <= c.hour + interval '1 hour'
    WHERE c.steps IS NULL AND r.device_id = ANY(%(devices)s::bigint[])
      AND r.time > %(since)s::timestamptz - interval '1 hour'
      AND r.time <= %(until)s::timestamptz + interval '2 hours'
    WINDOW of_hour AS (PARTITION BY c.device_id, c.hour ORDER BY r.time)
    UNION ALL
    SELECT c.device_id, c.hour, (one ->> 0)::timestamptz, (one ->> 1)::numeric
    FROM hours c, jsonb_array_elements(c.steps) AS one
), step AS (
    SELECT s.device_id, s.at,
        coalesce(lag(s.at) OVER (PARTITION BY s.device_id, s.hour ORDER BY s.at), c.step_from)
            AS since,
        s.consumed * coalesce(c.consumption / nullif(
            sum(s.consumed) OVER (PARTITION BY s.device_id, s.hour), 0), 1) AS consumed
    FROM counted s JOIN hours c USING (device_id, hour)
), quarter AS (
    SELECT s.device_id, q.starts_at, sum(CASE WHEN s.since IS NULL THEN s.consumed
        ELSE s.consumed * extract(epoch FROM least(s.at, q.starts_at + interval '15 minutes')
            - greatest(s.since, q.starts_at)) / extract(epoch FROM s.at - s.since) END) AS consumed
    FROM step s
    CROSS JOIN LATERAL generate_series(
        date_bin('15 minutes', greatest(%(since)s::timestamptz,
            coalesce(s.since, s.at - interval '1 microsecond')), 'epoch'),
        s.at - interval '1 microsecond', interval '15 minutes') AS q (starts_at)
    GROUP BY s.device_id, q.starts_at
)
SELECT DISTINCT ON (q.device_id, b.band) q.device_id, b.band, round(4 * q.consumed, 4),
    q.starts_at
FROM quarter q
JOIN unnest(%(quarters)s::timestamptz[], %(bands)s::text[]) AS b (starts_at, band)
    ON b.starts_at = q.starts_at
WHERE round(4 * q.consumed, 4) > 0
ORDER BY q.device_id, b.band, round(4 * q.consumed, 4) DESC, q.starts_at

-- name: demand_devices
-- Those of some devices whose meters of that time sent often enough for a demand of 15 minutes.
SELECT DISTINCT device_id FROM installation_period
WHERE device_id = ANY(%(devices)s::bigint[]) AND measurement <> 'gauge' AND interval_s <= 900
  AND since < %(until)s AND until > %(since)s
