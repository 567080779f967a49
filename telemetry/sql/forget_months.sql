-- The same for months.
DELETE FROM monthly_total m
WHERE account_id = %(account_id)s AND device_id = ANY(%(device_ids)s)
  AND NOT EXISTS (SELECT FROM closed_month c WHERE c.account_id = m.account_id)
