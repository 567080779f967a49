-- Runs of whole hours without a reading. The ends of the period stand as marks beside the hours
-- that are there, so that a gap at either end is found too, and one without any reading is whole.
SELECT before + interval '1 hour', hour
FROM (
    SELECT hour, lag(hour) OVER (ORDER BY hour) AS before
    FROM (
        SELECT hour FROM hourly_aggregate
        WHERE account_id = %(account)s AND device_id = %(device)s
          AND hour >= %(since)s AND hour < %(until)s
        UNION ALL SELECT %(since)s::timestamptz - interval '1 hour'
        UNION ALL SELECT %(until)s::timestamptz
    ) AS marks
) AS steps
WHERE hour > before + interval '1 hour'
  AND EXISTS (SELECT FROM device WHERE id = %(device)s AND account_id = %(account)s)
ORDER BY hour
LIMIT %(rows)s
