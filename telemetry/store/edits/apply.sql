-- name: lock_device
SELECT id FROM device WHERE id = %(device)s FOR NO KEY UPDATE

-- name: count_readings
-- Readings of the period that count, and, where one instant gets a value, the one that was voided.
SELECT count(*) FROM (
    SELECT FROM reading
    WHERE device_id = %(device)s AND account_id = %(account)s
      AND time BETWEEN %(since)s AND %(until)s
    UNION ALL
    SELECT FROM edited_reading
    WHERE device_id = %(device)s AND account_id = %(account)s AND time = %(since)s AND is_current
      AND after IS NULL AND %(value)s::numeric IS NOT NULL AND %(since)s = %(until)s
    LIMIT %(most)s
) AS found

-- name: find_neighbours
-- The readings beside the period that count.
(SELECT time, value FROM reading
 WHERE device_id = %(device)s AND account_id = %(account)s AND time < %(since)s
 ORDER BY time DESC LIMIT 1)
UNION ALL
(SELECT time, value FROM reading
 WHERE device_id = %(device)s AND account_id = %(account)s AND time > %(until)s
 ORDER BY time LIMIT 1)

-- name: find_horizon
-- The horizon, where the first hour of the period lies before it.
SELECT h.dropped_before
FROM raw_horizon h, account a
WHERE a.id = %(account)s AND is_hour_dropped(
    date_trunc('hour', %(since)s::timestamptz - interval '1 microsecond', 'UTC'), a.zones,
    h.dropped_before)

-- name: keep_readings
-- What the edit does to each reading, with the reading as it was received.
INSERT INTO edited_reading (edit_id, device_id, time, received_at, account_id, gateway_id, raw_value,
    unit, raw, before, after, is_current)
SELECT %(edit)s, device_id, time, received_at, account_id, gateway_id, raw_value, unit, raw, before,
    CASE WHEN %(kind)s = 'void' THEN NULL
        WHEN %(value)s::numeric IS NOT NULL THEN %(value)s::numeric
        ELSE round(before * %(factor)s::numeric, 4) END,
    false
FROM (
    SELECT r.device_id, r.time, r.received_at, r.account_id, r.gateway_id,
        coalesce(e.raw_value, r.value) AS raw_value, r.unit, r.raw, r.value AS before
    FROM reading r
    LEFT JOIN edited_reading e ON e.device_id = r.device_id AND e.time = r.time AND e.is_current
    WHERE r.device_id = %(device)s AND r.account_id = %(account)s
      AND r.time BETWEEN %(since)s AND %(until)s
    UNION ALL
    SELECT device_id, time, received_at, account_id, gateway_id, raw_value, unit, raw, NULL
    FROM edited_reading
    WHERE device_id = %(device)s AND account_id = %(account)s AND time = %(since)s AND is_current
      AND after IS NULL AND %(value)s::numeric IS NOT NULL AND %(since)s = %(until)s
) AS found

-- name: leave_earlier_edits
-- Of two edits of a reading the later one counts.
UPDATE edited_reading e SET is_current = false
FROM edited_reading n
WHERE n.edit_id = %(edit)s AND e.device_id = n.device_id AND e.time = n.time AND e.is_current

-- name: make_edit_current
UPDATE edited_reading SET is_current = true WHERE edit_id = %(edit)s

-- name: find_later_edit
SELECT n.edit_id, n.time
FROM edited_reading e
JOIN edited_reading n ON n.device_id = e.device_id AND n.time = e.time AND n.is_current
WHERE e.edit_id = %(edit)s AND n.edit_id <> e.edit_id
ORDER BY n.edit_id DESC, n.time LIMIT 1

-- name: leave_edit
UPDATE edited_reading SET is_current = false WHERE edit_id = %(edit)s

-- name: return_to_edits
-- The edit of before is the current one of a reading again.
UPDATE edited_reading e SET is_current = true
FROM (
    SELECT max(b.id) AS id
    FROM edited_reading u
    JOIN edited_reading b ON b.device_id = u.device_id AND b.time = u.time AND b.edit_id <> u.edit_id
    JOIN edit ON edit.id = b.edit_id AND edit.state IN ('applied', 'undo_waiting')
    WHERE u.edit_id = %(edit)s
    GROUP BY b.device_id, b.time
) AS latest
WHERE e.id = latest.id

-- name: delete_readings
DELETE FROM reading r USING edited_reading e
WHERE e.edit_id = %(edit)s AND CASE WHEN %(is_undo)s THEN e.before ELSE e.after END IS NULL
  AND r.device_id = %(device)s AND r.time = e.time AND r.time BETWEEN %(since)s AND %(until)s

-- name: update_readings
UPDATE reading r SET value = CASE WHEN %(is_undo)s THEN e.before ELSE e.after END
FROM edited_reading e
WHERE e.edit_id = %(edit)s AND e.before IS NOT NULL AND e.after IS NOT NULL
  AND r.device_id = %(device)s AND r.time = e.time AND r.time BETWEEN %(since)s AND %(until)s

-- name: insert_readings
INSERT INTO reading (time, received_at, account_id, gateway_id, device_id, value, unit, raw)
SELECT time, received_at, account_id, gateway_id, device_id,
    CASE WHEN %(is_undo)s THEN before ELSE after END, unit, raw
FROM edited_reading
WHERE edit_id = %(edit)s AND CASE WHEN %(is_undo)s
    THEN after IS NULL AND before IS NOT NULL ELSE before IS NULL AND after IS NOT NULL END
ORDER BY time

-- name: mark_hours_dirty
-- The refresh computes their hours again, and says in closed months which edit did it.
INSERT INTO dirty_hour (hour, device_ids, edit_id)
SELECT DISTINCT date_trunc('hour', time - interval '1 microsecond', 'UTC'), ARRAY[device_id], edit_id
FROM edited_reading WHERE edit_id = %(edit)s
ORDER BY 1
