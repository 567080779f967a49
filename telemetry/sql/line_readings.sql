SELECT time, value
FROM reading
WHERE account_id = %(account)s AND device_id = %(device)s
  AND time >= %(since)s AND time < %(until)s
ORDER BY time
LIMIT %(rows)s
