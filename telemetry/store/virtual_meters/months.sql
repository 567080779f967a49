-- name: parts
-- The devices of an account's virtual meters, in each billing month of a period in which one of
-- them has something. A device that is another account's by now counts until it moved; pages do not see its
-- gateway, so it is no condition.
SELECT v.id, v.code, v.name, v.unit, v.largest_share, span.month, span.month_end, p.device_id,
    coalesce(CASE WHEN b.gateway_id IS NOT NULL THEN rtrim(b.gateway_code || '/' || b.code || ' ' || b.name) END,
        CASE WHEN d.account_id = v.account_id THEN rtrim(g.code || '/' || d.code || ' ' || d.name) END,
        '#' || p.device_id),
    p.sign, b.total, coalesce(b.estimated, 0), b.coverage
FROM virtual_meter v
CROSS JOIN LATERAL (
    SELECT b.month, max(b.month_end) AS month_end FROM virtual_part q
    JOIN billed_month b ON b.device_id = q.device_id AND b.account_id = v.account_id
    WHERE q.meter_id = v.id AND b.month >= %(first)s AND b.month < %(until)s
      AND b.total IS NOT NULL
    GROUP BY b.month
) span
JOIN virtual_part p ON p.meter_id = v.id
LEFT JOIN device d ON d.id = p.device_id
LEFT JOIN gateway g ON g.id = d.gateway_id
LEFT JOIN billed_month b ON b.device_id = p.device_id AND b.account_id = v.account_id
    AND b.month = span.month
WHERE v.account_id = %(account)s AND (%(meter)s::bigint IS NULL OR v.id = %(meter)s)
ORDER BY span.month DESC, v.code, v.id, p.sign DESC, p.id

-- name: kept_lines
SELECT month, virtual_lines FROM closed_month
WHERE account_id = %(account)s AND month >= %(first)s AND month < %(until)s
ORDER BY month DESC

-- name: keep_lines
UPDATE closed_month SET virtual_lines = %(lines)s::jsonb
WHERE account_id = %(account)s AND month = %(month)s
