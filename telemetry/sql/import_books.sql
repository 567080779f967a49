-- The ledger's sums over the batches of one import; halves of split batches begin alike.
SELECT count(*), coalesce(sum(messages), 0)::bigint, coalesce(sum(messages_stored), 0)::bigint,
    coalesce(sum(messages_duplicate), 0)::bigint, coalesce(sum(messages_rejected), 0)::bigint,
    coalesce(sum(readings), 0)::bigint, coalesce(sum(readings_stored), 0)::bigint,
    coalesce(sum(readings_duplicate), 0)::bigint, coalesce(sum(readings_rejected), 0)::bigint,
    coalesce(sum(dead_letters), 0)::bigint,
    coalesce(extract(epoch FROM max(stored_at) - min(received_at)), 0)::float
FROM batch WHERE id LIKE %(prefix)s || '%%'
