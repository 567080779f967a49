SELECT to_char(h.hour AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI"Z"') || ' ' || a.name || ' / '
    || g.code || ' / ' || d.code || ' (device ' || d.id || ')'
FROM refused_hour h
JOIN device d ON d.id = h.device_id
JOIN gateway g ON g.id = d.gateway_id
JOIN account a ON a.id = d.account_id
WHERE a.id = coalesce(%(account_id)s, a.id)
ORDER BY h.hour, h.device_id
LIMIT %(limit)s
