SELECT month, total, reading_mean, minimum, maximum, first_register, last_register, readings_count
FROM monthly_consumption
WHERE account_id = %(account)s AND device_id = %(device)s
  AND month >= %(first)s AND month < %(until)s
ORDER BY month
LIMIT %(rows)s
