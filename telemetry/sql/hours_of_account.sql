-- What an account's devices consumed in whole UTC hours, by unit. Only of registers is looked up what
-- they counted. A device that moved away keeps the hours that it had here.
WITH own AS MATERIALIZED (
    SELECT id, unit, measurement FROM device
    WHERE measurement <> 'gauge' AND id IN (
        SELECT device_id FROM daily_aggregate
        WHERE account_id = %(account)s AND day >= %(first)s AND day <= %(last)s
    )
), here AS MATERIALIZED (
    SELECT h.device_id, h.hour, h.total
    FROM own
    JOIN hourly_aggregate h ON h.device_id = own.id
    WHERE h.account_id = %(account)s AND h.hour >= %(since)s AND h.hour < %(until)s
), line AS (
    SELECT own.unit, here.total AS consumption
    FROM own
    JOIN here ON here.device_id = own.id
    WHERE own.measurement = 'delta'
    UNION ALL
    SELECT own.unit, c.consumption
    FROM own
    JOIN here ON here.device_id = own.id
    JOIN hourly_consumption c ON c.device_id = here.device_id AND c.hour = here.hour
        AND c.hour >= %(since)s AND c.hour < %(until)s
    WHERE own.measurement = 'cumulative'
)
SELECT unit, sum(consumption) FROM line
GROUP BY unit
ORDER BY unit
LIMIT %(rows)s
