-- The oldest notes, %(notes)s at most, and no more than come to %(device_hours)s device hours (one
-- note at least); and whether more may wait.
WITH oldest AS (
    SELECT id, hour, device_ids FROM dirty_hour ORDER BY hour, id LIMIT %(notes)s
), counted AS (
    SELECT id, sum(cardinality(device_ids)) OVER (ORDER BY hour, id) - cardinality(device_ids)
        AS device_hours_before
    FROM oldest
)
SELECT coalesce(array_agg(id) FILTER (WHERE device_hours_before < %(device_hours)s), '{}'),
    count(*) = %(notes)s OR coalesce(bool_or(device_hours_before >= %(device_hours)s), false)
FROM counted
