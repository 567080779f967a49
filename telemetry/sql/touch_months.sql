-- The billing months of touched days.
INSERT INTO touched_month (device_id, month)
SELECT DISTINCT t.device_id, billing_month(d.day, a.billing_day)
FROM touched_day t
JOIN daily_aggregate d ON d.device_id = t.device_id AND d.day = t.day
JOIN account a ON a.id = d.account_id
