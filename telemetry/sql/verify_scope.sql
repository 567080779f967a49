-- The devices of a slice of hours: those that an account has, or had once, or all.
INSERT INTO verified_device (id, measurement, modulus, interval_s, is_replaced)
SELECT d.id, d.measurement, d.register_modulus, d.interval_s,
    d.id IN (SELECT device_id FROM meter_replacement)
FROM device d
WHERE %(account_id)s::bigint IS NULL OR d.account_id = %(account_id)s
    OR d.id IN (SELECT device_id FROM monthly_total WHERE account_id = %(account_id)s)
