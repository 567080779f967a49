-- Every billing month of the account %(account_id)s and some devices.
INSERT INTO touched_month (device_id, month, account_id)
SELECT DISTINCT d.device_id, billing_month(d.day, a.billing_day), d.account_id
FROM daily_aggregate d
JOIN account a ON a.id = d.account_id
WHERE d.account_id = %(account_id)s AND d.device_id = ANY(%(device_ids)s)
