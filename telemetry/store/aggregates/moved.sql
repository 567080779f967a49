-- name: find_moved
-- Devices of dirty hours whose gateway was changed in the last hour and ever moved, and from when to when
-- these hours are. Two rows of `assignment` at least are there of a gateway that moved; of others none.
WITH lately AS (
    SELECT DISTINCT a.gateway_id FROM assignment a
    WHERE EXISTS (SELECT FROM registry_change c
        WHERE c.gateway_id = a.gateway_id AND c.changed_at > now() - interval '1 hour')
), dirty AS (
    SELECT h.hour, one.id FROM dirty_hour h CROSS JOIN LATERAL unnest(h.device_ids) AS one (id)
    WHERE h.id = ANY(%(ids)s) AND EXISTS (SELECT FROM lately)
)
SELECT array_agg(DISTINCT d.id), min(dirty.hour), max(dirty.hour) + interval '1 hour'
FROM dirty
JOIN device d ON d.id = dirty.id
JOIN lately USING (gateway_id)

-- name: follow_moves
-- The instants are constants, so that other chunks are not opened.
UPDATE reading r SET account_id = p.account_id
FROM device d
JOIN assignment_period p ON p.gateway_id = d.gateway_id
WHERE d.id = ANY(%(devices)s) AND r.device_id = d.id
  AND r.time > %(since)s AND r.time <= %(until)s
  AND r.time > p.since AND r.time <= p.until AND r.account_id <> p.account_id
