-- Every billing month of accounts whose months are cut again.
INSERT INTO touched_month (device_id, month)
SELECT DISTINCT d.device_id, billing_month(d.day, a.billing_day)
FROM daily_aggregate d
JOIN account a ON a.id = d.account_id
WHERE d.account_id = ANY(%(account_ids)s)
