-- Whether a register with readings from %(start)s to %(end)s has no reading before them yet.
SELECT EXISTS (
    SELECT FROM verified_device d
    WHERE d.measurement = 'cumulative'
      AND NOT EXISTS (SELECT FROM value_before b WHERE b.device_id = d.id)
      AND EXISTS (SELECT FROM reading r
                  WHERE r.device_id = d.id AND r.time >= %(start)s AND r.time < %(end)s)
)
