-- name: report_months
-- Consumption of an account by billing month and group of devices, units apart. `total` is what is
-- billed: the closed total of a closed month, else the live one; with the adjustments it comes to the
-- live total. Gauges consume nothing and are left out.
WITH chosen AS (
    SELECT d.id, d.unit,
        CASE WHEN %(grouping)s = 'device' THEN d.id::text
            WHEN d.account_id <> %(account)s THEN ''
            WHEN %(grouping)s = 'gateway' THEN g.id::text
            WHEN %(grouping)s = 'group' THEN d."group"
            WHEN %(grouping)s = 'kind' THEN d.kind
            ELSE '' END AS key,
        CASE WHEN %(grouping)s = 'account' THEN ''
            WHEN d.account_id <> %(account)s THEN '#' || d.id  -- its names are another's by now
            WHEN %(grouping)s = 'device' THEN rtrim(g.code || ' / ' || d.code || ' ' || d.name)
            WHEN %(grouping)s = 'gateway' THEN rtrim(g.code || ' ' || g.name)
            WHEN %(grouping)s = 'group' THEN d."group"
            WHEN %(grouping)s = 'kind' THEN d.kind
            ELSE '' END AS label
    FROM device d LEFT JOIN gateway g ON g.id = d.gateway_id
    WHERE (%(devices)s::bigint[] IS NULL OR d.id = ANY(%(devices)s::bigint[]))
      AND (%(gateways)s::bigint[] IS NULL OR d.gateway_id = ANY(%(gateways)s::bigint[]))
      AND (%(groups)s::text[] IS NULL OR d."group" = ANY(%(groups)s::text[]))
), adjusted AS (
    SELECT device_id, month, sum(difference) AS difference FROM month_adjustment
    WHERE account_id = %(account)s AND month >= %(first)s AND month < %(until)s
    GROUP BY device_id, month
)
SELECT m.month, m.month_end, c.key, c.label, c.unit, count(*) AS devices_count, sum(m.total) AS total,
    sum(coalesce(j.difference, 0)) AS adjustments,
    sum(m.total) + sum(coalesce(j.difference, 0)) AS live_total,
    sum(m.daily_mean) AS daily_mean, sum(m.readings_count)::bigint AS readings_count,
    avg(m.coverage) AS coverage,
    CASE WHEN bool_or(m.state = 'adjusted') THEN 'adjusted'
        WHEN bool_and(m.state <> 'open') THEN 'closed' ELSE 'open' END AS state
FROM monthly_consumption m
JOIN chosen c ON c.id = m.device_id
LEFT JOIN adjusted j ON j.device_id = m.device_id AND j.month = m.month
WHERE m.account_id = %(account)s AND m.month >= %(first)s AND m.month < %(until)s
  AND m.total IS NOT NULL
GROUP BY m.month, m.month_end, c.key, c.label, c.unit
