-- Every hour of the account %(account_id)s and some devices, whose days are cut again.
INSERT INTO touched_hour (device_id, hour, measurement, modulus, has_replacements,
    is_refused)
SELECT h.device_id, h.hour, d.measurement, d.register_modulus,
    EXISTS (SELECT FROM meter_replacement p WHERE p.device_id = d.id), false
FROM hourly_aggregate h
JOIN device d ON d.id = h.device_id
WHERE h.account_id = %(account_id)s AND h.device_id = ANY(%(device_ids)s)
