-- name: report
-- The database's totals in one snapshot. %(seq)s: the newest batch that the queue's snapshot knew;
-- what came later is left out of the sums that are held against the queue. What was stored long before
-- that snapshot cannot have come later: then the queue has lost its counters, and the difference says so.
WITH ledger AS (
    SELECT seq <= %(seq)s OR stored_at < now() - interval '1 minute' AS is_known,
        messages, messages_stored, messages_duplicate, messages_rejected, readings, readings_stored,
        readings_duplicate, readings_rejected, dead_letters
    FROM batch
    UNION ALL
    SELECT true, messages, messages_stored, messages_duplicate, messages_rejected, readings,
        readings_stored, readings_duplicate, readings_rejected, dead_letters
    FROM batch_day
)
SELECT
    coalesce(sum(messages) FILTER (WHERE is_known), 0)::bigint,
    coalesce(sum(messages_stored) FILTER (WHERE is_known), 0)::bigint,
    coalesce(sum(messages_duplicate) FILTER (WHERE is_known), 0)::bigint,
    coalesce(sum(messages_rejected) FILTER (WHERE is_known), 0)::bigint,
    coalesce(sum(readings), 0)::bigint,
    coalesce(sum(readings_stored), 0)::bigint,
    coalesce(sum(readings_duplicate), 0)::bigint,
    coalesce(sum(readings_rejected), 0)::bigint,
    coalesce(sum(dead_letters), 0)::bigint,
    (SELECT coalesce(jsonb_object_agg(reason, total), '{}') FROM (
        SELECT reason, sum(occurrences)::bigint AS total FROM dead_letter GROUP BY reason) d),
    (SELECT coalesce(jsonb_object_agg(id, messages), '{}') FROM batch
     WHERE id = ANY(%(pending)s) OR split_part(id, '.', 1) = ANY(%(stems)s)),
    (SELECT count(*) FROM edited_reading WHERE is_current AND after IS NULL),
    (SELECT count(*) FROM edited_reading WHERE is_current AND after IS NOT NULL)
FROM ledger
