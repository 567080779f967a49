-- name: days
-- What devices consumed from local day to local day: [first, until), by number.
SELECT s.number, coalesce(sum(d.total), 0)
FROM unnest(%(numbers)s::bigint[], %(devices)s::bigint[], %(firsts)s::date[], %(untils)s::date[])
    AS s (number, device_id, first, until)
JOIN daily_aggregate d ON d.device_id = s.device_id AND d.account_id = %(account)s
    AND d.day >= s.first AND d.day < s.until
GROUP BY s.number

-- name: hours
-- What devices consumed in UTC hours that end after %(since)s and until %(until)s, by the steps that
-- end in them; gaps apart.
SELECT device_id, sum(consumption - CASE WHEN is_gap THEN step ELSE 0 END)
FROM hourly_consumption
WHERE device_id = ANY(%(devices)s::bigint[]) AND account_id = %(account)s
  AND hour > %(since)s::timestamptz - interval '1 hour'
  AND hour <= %(until)s::timestamptz - interval '1 hour'
GROUP BY device_id

-- name: part_of_hour
-- What devices consumed in the UTC hour %(hour)s until %(until)s, gaps apart: by the steps that end in
-- it, reading by reading, or as they were counted where a register does not rise. Where the hour's
-- readings are gone it is its share by time.
SELECT c.device_id, CASE WHEN s.whole = w.whole THEN s.part
    ELSE consumed_until(w.whole, c.hour, c.hour + interval '1 hour', %(until)s) END
FROM hourly_consumption c
CROSS JOIN LATERAL (
    SELECT c.consumption - CASE WHEN c.is_gap THEN c.step ELSE 0 END AS whole
) w
CROSS JOIN LATERAL installation_of(c.device_id, c.hour, c.hour + interval '1 hour') AS i
CROSS JOIN LATERAL (
    SELECT coalesce(sum(consumed), 0) AS whole,
        coalesce(sum(consumed) FILTER (WHERE at <= %(until)s), 0) AS part
    FROM (
        SELECT r.time AS at, CASE i.measurement WHEN 'delta' THEN scaled(r.value, i.factor)
            ELSE coalesce(scaled(r.value, i.factor)
                - scaled(lag(r.value) OVER (ORDER BY r.time), i.factor), c.step) END AS consumed
        FROM reading r
        WHERE c.steps IS NULL AND r.device_id = c.device_id
          AND r.time > %(hour)s AND r.time <= %(hour)s::timestamptz + interval '1 hour'
        UNION ALL
        SELECT (one ->> 0)::timestamptz, (one ->> 1)::numeric
        FROM jsonb_array_elements(c.steps) AS one
    ) counted
    WHERE NOT c.is_gap OR at <> c.step_to
) s
WHERE c.device_id = ANY(%(devices)s::bigint[]) AND c.account_id = %(account)s AND c.hour = %(hour)s
