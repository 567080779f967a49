-- name: list_changed
-- The oldest changed hours that are over, within all limits (one row at least), and whether there
-- are more.
WITH oldest AS (
    SELECT id, hour, device_ids FROM changed_hour WHERE hour <= %(before)s
    ORDER BY hour, id LIMIT %(rows)s
), counted AS (
    SELECT id, hour < min(hour) OVER () + %(span)s::interval
        AND sum(cardinality(device_ids)) OVER (ORDER BY hour, id) - cardinality(device_ids)
            < %(device_hours)s AS is_within
    FROM oldest
)
SELECT coalesce(array_agg(id) FILTER (WHERE is_within), '{}'),
    count(*) = %(rows)s OR NOT coalesce(bool_and(is_within), true)
FROM counted

-- name: create_looked_at
CREATE TEMPORARY TABLE looked_at (device_id bigint, hour timestamptz) ON COMMIT DROP

-- name: index_looked_at
CREATE INDEX ON looked_at (device_id, hour);
ANALYZE looked_at

-- name: claim_changed
WITH claimed AS (
    DELETE FROM changed_hour WHERE id = ANY(%(ids)s) RETURNING hour, device_ids
)
INSERT INTO looked_at (device_id, hour)
SELECT DISTINCT unnest(device_ids), hour FROM claimed

-- name: add_silent_devices
-- Devices that should send and whose last hour with readings is more than two hours ago, at that
-- hour; not those of which an open finding says so already.
INSERT INTO looked_at (device_id, hour)
SELECT d.id, recent.hour
FROM device d
JOIN gateway g ON g.id = d.gateway_id
JOIN account a ON a.id = d.account_id
CROSS JOIN LATERAL (
    SELECT day::timestamp AT TIME ZONE 'UTC' AS at FROM daily_aggregate
    WHERE device_id = d.id AND account_id = d.account_id AND readings_count > 0
    ORDER BY day DESC LIMIT 1
) newest
CROSS JOIN LATERAL (
    SELECT max(h.hour) AS hour FROM hourly_aggregate h
    WHERE h.device_id = d.id AND h.account_id = d.account_id
      AND h.hour >= newest.at - interval '1 day' AND h.hour < newest.at + interval '2 days'
) recent
WHERE d.is_active AND g.is_active AND a.is_active
  AND recent.hour < %(now)s::timestamptz - interval '3 hours'
  AND NOT EXISTS (
    SELECT FROM finding f
    WHERE f.device_id = d.id AND f.rule = 'silent' AND f.until IS NULL
      AND f.since = recent.hour + interval '1 hour')

-- name: write_findings
-- New findings, and open ones whose end or evidence changed. What was decided stays; what was gone and
-- is found again is open again. What is the same is not touched: it would be locked until the step ends.
INSERT INTO finding AS f (account_id, device_id, rule, since, until, evidence, state, note)
SELECT %(account)s, %(device)s, n.rule, n.since, n.until, n.evidence::jsonb, 'open', ''
FROM unnest(%(rules)s::text[], %(sinces)s::timestamptz[], %(untils)s::timestamptz[],
    %(evidences)s::text[]) AS n (rule, since, until, evidence)
WHERE NOT EXISTS (
    SELECT FROM finding s
    WHERE s.device_id = %(device)s AND s.account_id = %(account)s AND s.rule = n.rule
      AND s.since = n.since AND s.state <> 'gone'
      AND (s.until, s.evidence) IS NOT DISTINCT FROM (n.until, n.evidence::jsonb))
ON CONFLICT (device_id, rule, since, account_id) DO UPDATE SET
    until = excluded.until, evidence = excluded.evidence, changed_at = %(now)s,
    state = CASE WHEN f.state = 'gone' THEN 'open' ELSE f.state END
WHERE (f.until, f.evidence, f.state = 'gone')
    IS DISTINCT FROM (excluded.until, excluded.evidence, false)

-- name: end_findings
-- Open findings of the period that the rules do not say any more.
UPDATE finding f SET state = 'gone', changed_at = %(now)s
WHERE f.device_id = %(device)s AND f.account_id = %(account)s AND f.state = 'open'
  AND f.rule <> 'reported'  -- by a person
  AND CASE WHEN f.rule IN ('late', 'old_clock') THEN EXISTS (
        SELECT FROM looked_at l
        WHERE l.device_id = f.device_id AND date_trunc('day', l.hour, 'UTC') = f.since)
    ELSE f.since >= %(since)s AND f.since < %(until)s END
  AND NOT EXISTS (
    SELECT FROM unnest(%(rules)s::text[], %(sinces)s::timestamptz[]) AS n (rule, since)
    WHERE n.rule = f.rule AND n.since = f.since)
