-- The billing months of touched days.
INSERT INTO touched_month (device_id, month, account_id)
SELECT DISTINCT t.device_id, billing_month(t.day, a.billing_day), t.account_id
FROM touched_day t
JOIN account a ON a.id = t.account_id
