SELECT min(day) FROM daily_aggregate WHERE account_id = %(account)s AND device_id = %(device)s
