-- name: recent_readings
-- Readings of the devices (all when NULL) within the last %(span_s)s seconds, no more than %(rows)s.
-- The bound on time keeps to few chunks, and within them to the newest pages (reading_time).
SELECT count(*)
FROM (
    SELECT FROM reading
    WHERE time >= now() - %(span_s)s * interval '1 second'
      AND (%(device_ids)s::bigint[] IS NULL OR device_id = ANY(%(device_ids)s::bigint[]))
    LIMIT %(rows)s
) newest
