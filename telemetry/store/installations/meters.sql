-- name: read_meters
SELECT since, measurement, register_modulus, interval_s, factor, is_net, largest_rate, old_register,
    first_register
FROM installation
WHERE device_id = %(device_id)s AND undone_at IS NULL AND (since IS NULL OR since <= %(until)s)
ORDER BY since NULLS FIRST
