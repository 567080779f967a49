-- Take notes: which hours of which devices. An hour before the raw horizon is refused, and so is one
-- whose local day has to be read whole from raw readings of which some were dropped.
WITH taken AS (
    DELETE FROM dirty_hour WHERE id = ANY(%(ids)s) RETURNING hour, device_ids
), touched AS (
    SELECT DISTINCT hour, unnest(device_ids) AS device_id FROM taken
), horizon AS (
    SELECT coalesce(max(dropped_before), '-infinity') AS dropped_before FROM raw_horizon
)
INSERT INTO touched_hour (device_id, hour, measurement, modulus, is_refused)
SELECT t.device_id, t.hour, d.measurement, d.register_modulus,
    t.hour < h.dropped_before
    OR t.hour < h.dropped_before + interval '2 days'
        AND NOT is_day_of_whole_hours((t.hour AT TIME ZONE a.time_zone)::date, a.time_zone)
        AND local_day_start((t.hour AT TIME ZONE a.time_zone)::date, a.time_zone)
            < h.dropped_before
FROM touched t
JOIN device d ON d.id = t.device_id
JOIN account a ON a.id = d.account_id
CROSS JOIN horizon h
