-- The hours of notes that are not refused for all of their devices.
SELECT DISTINCT t.hour
FROM (SELECT DISTINCT hour, unnest(device_ids) AS device_id
      FROM dirty_hour WHERE id = ANY(%(ids)s)) t
JOIN device d ON d.id = t.device_id
JOIN account a ON a.id = d.account_id
WHERE NOT is_hour_dropped(t.hour, a.time_zone,
    (SELECT coalesce(max(dropped_before), '-infinity') FROM raw_horizon))
ORDER BY 1
