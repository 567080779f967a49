-- The last reading before %(start)s of registers that have one from %(start)s to %(end)s, looked for
-- from %(from)s to %(to)s.
INSERT INTO value_before (device_id, value, time)
SELECT d.id, p.value, p.time
FROM verified_device d
CROSS JOIN LATERAL (
    SELECT r.value, r.time FROM reading r
    WHERE r.device_id = d.id AND r.time >= %(from)s AND r.time < %(to)s
    ORDER BY r.time DESC LIMIT 1
) p
WHERE d.measurement = 'cumulative'
  AND NOT EXISTS (SELECT FROM value_before b WHERE b.device_id = d.id)
  AND EXISTS (SELECT FROM reading r
              WHERE r.device_id = d.id AND r.time >= %(start)s AND r.time < %(end)s)
