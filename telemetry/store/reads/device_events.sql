-- name: device_dead_letters
-- Pending rejected readings of a device. Found by the gateway's MAC (dead_letter_mac_pending): sorted
-- before it is found, the whole table could be walked for a device that has none.
WITH waiting AS MATERIALIZED (
    SELECT id, reason, detail, last_seen, occurrences
    FROM dead_letter
    WHERE mac = %(mac)s AND state = 'pending' AND device_code = %(code)s AND account_id = %(account)s
    LIMIT %(most)s
)
SELECT * FROM waiting ORDER BY last_seen DESC LIMIT %(rows)s
