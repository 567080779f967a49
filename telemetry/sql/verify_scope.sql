-- The devices of a slice: of one account, of the accounts with one billing day, or all.
INSERT INTO verified_device (id, measurement, modulus, interval_s, is_replaced)
SELECT d.id, d.measurement, d.register_modulus, d.interval_s,
    d.id IN (SELECT device_id FROM meter_replacement)
FROM device d JOIN account a ON a.id = d.account_id
WHERE a.id = coalesce(%(account_id)s, a.id)
  AND a.billing_day = coalesce(%(billing_day)s, a.billing_day)
