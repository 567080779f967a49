-- What reports, files and the API read of billing months: an open month as it is now, with today's names
-- and what its own meter measured;
-- a closed one from its lines, as it was when it was closed. A device that is another account's by now
-- has no names.
CREATE VIEW billed_month AS
SELECT m.account_id, m.device_id, m.month, m.month_end, 'open' AS state,
    CASE WHEN d.account_id = m.account_id THEN g.id END AS gateway_id,
    CASE WHEN d.account_id = m.account_id THEN g.code ELSE '' END AS gateway_code,
    CASE WHEN d.account_id = m.account_id THEN g.name ELSE '' END AS gateway_name,
    CASE WHEN d.account_id = m.account_id THEN d.code ELSE '' END AS code,
    CASE WHEN d.account_id = m.account_id THEN d.name ELSE '' END AS name,
    CASE WHEN d.account_id = m.account_id THEN d."group" ELSE '' END AS "group",
    CASE WHEN d.account_id = m.account_id THEN d.kind ELSE '' END AS kind,
    i.measurement, i.unit, m.total, m.daily_mean, m.reading_mean, m.reading_sum, m.readings_count,
    m.coverage, m.estimated, m.first_register, m.last_register, m.minimum,
    m.maximum, '{}'::text[] AS quality
FROM monthly_consumption m
JOIN device d ON d.id = m.device_id
JOIN gateway g ON g.id = d.gateway_id
JOIN account a ON a.id = m.account_id
CROSS JOIN LATERAL (
    SELECT local_day_start(m.month, a.zones) AS since, local_day_start(m.month_end, a.zones) AS until
    OFFSET 0  -- computed once for all devices of a month
) span
CROSS JOIN LATERAL installation_of(m.device_id, span.since, span.until) AS i
WHERE m.state = 'open'
UNION ALL
SELECT account_id, device_id, month, month_end, 'closed', gateway_id, gateway_code, gateway_name, code,
    name, "group", kind, measurement, unit, total, daily_mean, reading_mean, reading_sum,
    readings_count, coverage, estimated, first_register, last_register, minimum, maximum,
    quality
FROM closed_line;
