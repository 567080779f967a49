-- The devices of a slice of months: those that its accounts have, and those that had hours of theirs
-- in the month that begins on %(month)s, or have rows there.
INSERT INTO verified_device (id, measurement, modulus, interval_s, is_replaced)
SELECT d.id, d.measurement, d.register_modulus, d.interval_s,
    d.id IN (SELECT device_id FROM meter_replacement)
FROM device d
WHERE d.account_id IN (SELECT id FROM verified_account)
    OR d.id IN (
        SELECT h.device_id FROM hourly_aggregate h
        WHERE h.account_id IN (SELECT id FROM verified_account)
          AND h.hour >= %(month)s::timestamp AT TIME ZONE 'UTC' - interval '1 day'
          AND h.hour < next_billing_month(%(month)s)::timestamp AT TIME ZONE 'UTC' + interval '1 day')
    OR d.id IN (
        SELECT m.device_id FROM monthly_total m
        WHERE m.account_id IN (SELECT id FROM verified_account)
          AND m.month >= %(month)s AND m.month < next_billing_month(%(month)s))
    OR d.id IN (
        SELECT g.device_id FROM daily_aggregate g
        WHERE g.account_id IN (SELECT id FROM verified_account)
          AND g.day >= %(month)s AND g.day < next_billing_month(%(month)s))
