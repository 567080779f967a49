-- name: report_months
-- Consumption of an account by billing month and group of devices, units apart. `adjustments` are those
-- of earlier closed months that are billed with the month: with the one that settled them, else with
-- the first month after the closed ones. Gauges consume nothing and are left out. An adjustment of a
-- device without a line in an open month makes one.
WITH adjusted AS (
    SELECT j.device_id, coalesce(j.settled_in, following.month) AS month,
        sum(j.difference) AS difference
    FROM month_adjustment j
    CROSS JOIN (
        SELECT max(month_end) AS month FROM closed_line WHERE account_id = %(account)s
    ) following
    WHERE j.account_id = %(account)s
    GROUP BY 1, 2
), billed AS (
    SELECT device_id, month, month_end, state, gateway_id, gateway_code, gateway_name, code, name,
        "group", kind, unit, total, daily_mean, readings_count, coverage
    FROM billed_month
    WHERE account_id = %(account)s AND month >= %(first)s AND month < %(until)s
      AND total IS NOT NULL
    UNION ALL
    SELECT d.id, a.month, next_billing_month(a.month, o.billing_day, o.earlier_billing_days), 'open',
        own.gateway_id, coalesce(g.code, ''), coalesce(g.name, ''), own.code, own.name, own."group", own.kind,
        own.unit, 0, 0, 0, NULL
    FROM adjusted a
    JOIN account o ON o.id = %(account)s
    JOIN device d ON d.id = a.device_id
    -- One that moved away has no names, and the unit that was billed.
    CROSS JOIN LATERAL (
        SELECT d.gateway_id, d.code, d.name, d."group", d.kind, d.unit WHERE d.account_id = %(account)s
        UNION ALL
        SELECT NULL, '', '', '', '', (
            SELECT unit FROM closed_line l WHERE l.account_id = %(account)s AND l.device_id = d.id
            ORDER BY l.month DESC LIMIT 1)
        WHERE d.account_id <> %(account)s
    ) own
    LEFT JOIN gateway g ON g.id = own.gateway_id
    WHERE a.month >= %(first)s AND a.month < %(until)s AND NOT EXISTS (
        SELECT FROM billed_month b
        WHERE b.account_id = %(account)s AND b.device_id = a.device_id AND b.month = a.month)
), lines AS (
    SELECT *,
        CASE WHEN %(grouping)s = 'device' THEN device_id::text
            WHEN gateway_id IS NULL THEN ''
            WHEN %(grouping)s = 'gateway' THEN gateway_id::text
            WHEN %(grouping)s = 'group' THEN "group"
            WHEN %(grouping)s = 'kind' THEN kind
            ELSE '' END AS key,
        CASE WHEN %(grouping)s = 'account' THEN ''
            WHEN gateway_id IS NULL THEN '#' || device_id  -- its names are another's
            WHEN %(grouping)s = 'device' THEN rtrim(gateway_code || ' / ' || code || ' ' || name)
            WHEN %(grouping)s = 'gateway' THEN rtrim(gateway_code || ' ' || gateway_name)
            WHEN %(grouping)s = 'group' THEN "group"
            WHEN %(grouping)s = 'kind' THEN kind
            ELSE '' END AS label
    FROM billed
    WHERE (%(devices)s::bigint[] IS NULL OR device_id = ANY(%(devices)s::bigint[]))
      AND (%(gateways)s::bigint[] IS NULL OR gateway_id = ANY(%(gateways)s::bigint[]))
      AND (%(groups)s::text[] IS NULL OR "group" = ANY(%(groups)s::text[]))
)
SELECT m.month, m.month_end, m.key, m.label, m.unit, count(*) AS devices_count,
    sum(m.total) AS total, sum(coalesce(a.difference, 0)) AS adjustments,
    sum(m.total) + sum(coalesce(a.difference, 0)) AS billed_total,
    sum(m.daily_mean) AS daily_mean, sum(m.readings_count)::bigint AS readings_count,
    avg(m.coverage) AS coverage, m.state
FROM lines m
LEFT JOIN adjusted a ON a.device_id = m.device_id AND a.month = m.month
GROUP BY m.month, m.month_end, m.key, m.label, m.unit, m.state
