-- Late readings whose neighbours were dropped change no aggregate; the note says so.
WITH refused AS (
    DELETE FROM touched_hour WHERE is_refused RETURNING device_id, hour
)
INSERT INTO refused_hour (device_id, hour, dropped_before)
SELECT device_id, hour, dropped_before FROM refused CROSS JOIN raw_horizon
ORDER BY device_id, hour
ON CONFLICT (device_id, hour) DO UPDATE
    SET noted_at = now(), dropped_before = excluded.dropped_before
