-- name: month_lines
-- Devices of a month beside the month before it. A closed month is read from its lines. The last hour
-- with readings before %(until)s is looked up in the newest local day.
WITH this AS (
    SELECT * FROM billed_month WHERE account_id = %(account)s AND month = %(month)s
), before AS (
    SELECT * FROM billed_month WHERE account_id = %(account)s AND month_end = %(month)s
)
SELECT d.id, coalesce(t.gateway_id, b.gateway_id), coalesce(t.gateway_code, b.gateway_code),
    coalesce(t.code, b.code), coalesce(t.name, b.name), coalesce(t.measurement, b.measurement),
    coalesce(t.unit, b.unit), d.interval_s, d.is_active AND d.account_id = %(account)s, t.total,
    b.total, CASE WHEN coalesce(t.measurement, b.measurement) = 'cumulative'
        THEN coalesce(b.last_register, t.first_register) END,
    CASE WHEN coalesce(t.measurement, b.measurement) = 'cumulative'
        THEN coalesce(t.last_register, b.last_register) END,
    t.coverage, t.estimated, coalesce(t.readings_count, 0), recent.last_at,
    coalesce(t.quality, '{}')
FROM this t
FULL JOIN before b ON b.device_id = t.device_id
JOIN device d ON d.id = coalesce(t.device_id, b.device_id)
LEFT JOIN LATERAL (
    SELECT day::timestamp AT TIME ZONE 'UTC' AS at FROM daily_aggregate
    WHERE device_id = d.id AND account_id = %(account)s AND day >= %(since)s AND day < %(last)s
      AND readings_count > 0
    ORDER BY day DESC LIMIT 1
) newest ON true
LEFT JOIN LATERAL (
    SELECT max(h.hour) + interval '1 hour' AS last_at FROM hourly_aggregate h
    WHERE h.device_id = d.id AND h.account_id = %(account)s AND h.hour < %(until)s
      AND h.hour >= newest.at - interval '1 day' AND h.hour < newest.at + interval '2 days'
) recent ON true
ORDER BY 3, 4, 1

-- name: month_list
SELECT m.month, max(m.month_end), bool_or(m.state = 'closed'), sum(m.devices)::bigint,
    array_agg(m.unit ORDER BY m.unit), array_agg(m.total ORDER BY m.unit), max(coalesce(j.lines, 0))
FROM (
    SELECT month, month_end, state, unit, count(*) AS devices, coalesce(sum(total), 0) AS total
    FROM billed_month
    WHERE account_id = %(account)s AND measurement <> 'gauge'
    GROUP BY month, month_end, state, unit
) m
LEFT JOIN (
    SELECT month, count(*) AS lines FROM month_adjustment WHERE account_id = %(account)s
    GROUP BY month
) j ON j.month = m.month
GROUP BY m.month
ORDER BY m.month DESC
LIMIT %(most)s
