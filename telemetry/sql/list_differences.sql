SELECT f.relation, f.device_id, a.name || ' / ' || g.code || ' / ' || d.code, f.place, f.stands::text,
    f.expected::text
FROM difference f
JOIN device d ON d.id = f.device_id
JOIN gateway g ON g.id = d.gateway_id
JOIN account a ON a.id = coalesce(f.account_id, d.account_id)
WHERE f.verdict = 'differs'
ORDER BY f.relation, f.starts_at, f.device_id
LIMIT %(limit)s
