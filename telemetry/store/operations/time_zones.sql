-- name: zone_offset_differs
-- The first of the instants (Unix seconds) at which the database's offset of a zone is another than
-- Python's (seconds east of UTC), with the database's.
SELECT instant, database_s
FROM (
    SELECT instant, offset_s, extract(epoch FROM
        to_timestamp(instant) AT TIME ZONE %(zone)s - to_timestamp(instant) AT TIME ZONE 'UTC'
    )::int AS database_s
    FROM unnest(%(instants)s::bigint[], %(offsets)s::int[]) AS python (instant, offset_s)
) found
WHERE database_s <> offset_s
ORDER BY instant
LIMIT 1
