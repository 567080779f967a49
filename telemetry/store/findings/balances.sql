-- name: evaluate_balances
-- Open months that are over and in which less than nothing, or more than the largest share, is left of
-- the devices that a virtual meter adds: a finding of the first of them. What was decided stays; what
-- is right again is gone, but in a closed month, which stays as it was billed.
WITH unbalanced AS MATERIALIZED (
    SELECT DISTINCT ON (m.main, m.month) m.main AS device_id, m.account_id,
        local_day_start(m.month, a.zones) AS since,
        local_day_start(m.month_end, a.zones) AS until,
        jsonb_build_object('virtual_meter', rtrim(m.code || ' ' || m.name),
            'added', m.added::text, 'subtracted', m.subtracted::text,
            'left', (m.added - m.subtracted)::text) AS evidence
    FROM (
        SELECT v.id, v.account_id, v.code, v.name, v.largest_share, b.month,
            max(b.month_end) AS month_end,
            (SELECT q.device_id FROM virtual_part q WHERE q.meter_id = v.id AND q.sign = 1
             ORDER BY q.id LIMIT 1) AS main,
            coalesce(sum(b.total) FILTER (WHERE p.sign = 1), 0) AS added,
            coalesce(sum(b.total) FILTER (WHERE p.sign = -1), 0) AS subtracted
        FROM virtual_meter v
        JOIN virtual_part p ON p.meter_id = v.id
        JOIN billed_month b ON b.device_id = p.device_id AND b.account_id = v.account_id
        WHERE b.state = 'open' AND b.month >= %(now)s::timestamptz::date - 400
        GROUP BY v.id, b.month
    ) m
    JOIN account a ON a.id = m.account_id
    WHERE local_day_start(m.month_end, a.zones) <= %(now)s AND m.main IS NOT NULL
      AND (m.added < m.subtracted OR m.added - m.subtracted > m.largest_share * m.added)
    ORDER BY m.main, m.month, m.id
), written AS (
    INSERT INTO finding AS f (account_id, device_id, rule, since, until, evidence, state, note)
    SELECT account_id, device_id, 'balance', since, until, evidence, 'open', '' FROM unbalanced
    ON CONFLICT (device_id, rule, since, account_id) DO UPDATE SET
        until = excluded.until, evidence = excluded.evidence, changed_at = %(now)s,
        state = CASE WHEN f.state = 'gone' THEN 'open' ELSE f.state END
    WHERE (f.until, f.evidence, f.state = 'gone')
        IS DISTINCT FROM (excluded.until, excluded.evidence, false)
)
UPDATE finding f SET state = 'gone', changed_at = %(now)s
FROM account a
WHERE a.id = f.account_id AND f.rule = 'balance' AND f.state = 'open'
  AND NOT EXISTS (
    SELECT FROM unbalanced u WHERE u.device_id = f.device_id AND u.since = f.since)
  AND NOT EXISTS (
    SELECT FROM closed_month c
    WHERE c.account_id = f.account_id AND local_day_start(c.month, a.zones) = f.since)
