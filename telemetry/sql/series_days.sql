SELECT day, total, reading_sum / readings_count, minimum, maximum, first, last, readings_count
FROM daily_aggregate
WHERE account_id = %(account)s AND device_id = %(device)s
  AND day >= %(first)s AND day < %(until)s
ORDER BY day
LIMIT %(rows)s
