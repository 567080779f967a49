-- name: readings_with_edits
-- The newest readings of a device after %(since)s, up to %(until)s: those that count, and those that an
-- edit voided.
SELECT time, value, raw_value, unit, received_at, edit_id
FROM (
    (SELECT r.time, r.value, coalesce(e.raw_value, r.value) AS raw_value, r.unit, r.received_at,
        e.edit_id
     FROM reading r
     LEFT JOIN edited_reading e ON e.device_id = r.device_id AND e.time = r.time AND e.is_current
     WHERE r.device_id = %(device)s AND r.account_id = %(account)s
       AND r.time > %(since)s AND r.time <= %(until)s
     ORDER BY r.time DESC LIMIT %(most)s)
    UNION ALL
    (SELECT time, NULL, raw_value, unit, received_at, edit_id
     FROM edited_reading
     WHERE device_id = %(device)s AND account_id = %(account)s AND is_current AND after IS NULL
       AND time > %(since)s AND time <= %(until)s
     ORDER BY time DESC LIMIT %(most)s)
) AS found
ORDER BY time DESC LIMIT %(most)s
