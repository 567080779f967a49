-- name: simulated_rows
-- Readings of a simulated run by device: those of its devices with its timestamps.
SELECT r.device_id, count(*)
FROM reading r
WHERE r.account_id IN (SELECT account_id FROM device WHERE id = ANY(%(device_ids)s::bigint[]))
  AND r.device_id = ANY(%(device_ids)s::bigint[])
  AND r.time BETWEEN %(first)s AND %(last)s
GROUP BY r.device_id

-- name: simulated_dead_letters
-- Dead letters of a simulated run by reason: every bad payload of it holds the run's mark. Of two
-- messages that contradict each other the one that is stored later is rejected, also when that is the
-- good one, which has no mark: conflicts are told by the run's gateways and timestamps.
SELECT reason, count(*)
FROM dead_letter
WHERE last_seen >= %(since)s
  AND CASE
        WHEN position(%(mark)s::bytea IN payload) > 0 THEN true
        WHEN reason = 'conflicting_reading' AND mac = ANY(%(macs)s::text[])
          THEN CAST(convert_from(payload, 'UTF8')::jsonb ->> 'timestamp' AS timestamptz)
               BETWEEN %(first)s AND %(last)s
        ELSE false
      END
GROUP BY reason
