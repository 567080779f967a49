-- What an account's devices consumed in whole UTC hours, by unit. Each device is one index range, so
-- that other accounts cost nothing. A device that moved away keeps the hours that it had here.
SELECT d.unit, sum(CASE d.measurement WHEN 'delta' THEN line.total ELSE line.consumption END)
FROM device d
CROSS JOIN LATERAL (
    SELECT h.total, c.consumption
    FROM hourly_aggregate h
    LEFT JOIN hourly_consumption c ON c.device_id = d.id AND c.hour = h.hour
        AND c.hour >= %(since)s AND c.hour < %(until)s
    WHERE h.account_id = %(account)s AND h.device_id = d.id
      AND h.hour >= %(since)s AND h.hour < %(until)s
) line
WHERE d.measurement <> 'gauge' AND d.id IN (
    SELECT device_id FROM daily_aggregate
    WHERE account_id = %(account)s AND day >= %(first)s AND day <= %(last)s
)
GROUP BY d.unit
ORDER BY d.unit
LIMIT %(rows)s
