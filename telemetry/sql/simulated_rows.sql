-- Readings of a simulated run by device: those of its devices with its timestamps.
SELECT r.device_id, count(*)
FROM reading r
WHERE r.account_id IN (SELECT account_id FROM device WHERE id = ANY(%(device_ids)s::bigint[]))
  AND r.device_id = ANY(%(device_ids)s::bigint[])
  AND r.time BETWEEN %(first)s AND %(last)s
GROUP BY r.device_id
