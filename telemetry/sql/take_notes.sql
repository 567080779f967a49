-- Take notes: which hours of which devices, and whether they are refused.
WITH taken AS (
    DELETE FROM dirty_hour WHERE id = ANY(%(ids)s) RETURNING hour, device_ids
), touched AS (
    SELECT DISTINCT hour, unnest(device_ids) AS device_id FROM taken
)
INSERT INTO touched_hour (device_id, hour, measurement, modulus, has_replacements,
    is_refused)
SELECT t.device_id, t.hour, d.measurement, d.register_modulus,
    EXISTS (SELECT FROM meter_replacement p WHERE p.device_id = d.id),
    is_hour_dropped(t.hour, a.time_zone,
        (SELECT coalesce(max(dropped_before), '-infinity') FROM raw_horizon))
FROM touched t
JOIN device d ON d.id = t.device_id
JOIN account a ON a.id = d.account_id
