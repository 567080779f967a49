-- name: sum_import
-- The ledger's sums over the batches of one import; halves of split batches begin alike.
SELECT count(*), coalesce(sum(messages), 0)::bigint, coalesce(sum(messages_stored), 0)::bigint,
    coalesce(sum(messages_duplicate), 0)::bigint, coalesce(sum(messages_rejected), 0)::bigint,
    coalesce(sum(readings), 0)::bigint, coalesce(sum(readings_stored), 0)::bigint,
    coalesce(sum(readings_duplicate), 0)::bigint, coalesce(sum(readings_rejected), 0)::bigint,
    coalesce(sum(dead_letters), 0)::bigint,
    coalesce(extract(epoch FROM max(stored_at) - min(received_at)), 0)::float
FROM batch WHERE id LIKE %(prefix)s || '%%'

-- name: import_reasons
-- Dead letters of one import by reason. A dead letter's instants are those of the batches in which it
-- was seen, to the microsecond. One that stood before counts once: how often it was seen in this
-- import is not kept.
WITH received AS (
    SELECT DISTINCT received_at FROM batch WHERE id LIKE %(prefix)s || '%%' AND dead_letters > 0
)
SELECT reason, sum(CASE
    WHEN first_seen >= (SELECT min(received_at) FROM received) THEN occurrences ELSE 1 END)::bigint
FROM dead_letter
WHERE last_seen IN (SELECT received_at FROM received)
GROUP BY reason ORDER BY reason
