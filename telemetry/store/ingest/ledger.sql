-- name: insert_batches
-- The ledger rows: of batches that are stored, or (second_part is set) of one that is split. An id
-- has one row for ever, and nothing goes in beside a stored batch of the same line, above or below
-- it: a split batch's id is the beginning of its parts' ids. No row comes back for it then.
INSERT INTO batch (id, source, seq, received_at, stored_at, messages, messages_stored,
    messages_duplicate, messages_rejected, readings, readings_stored, readings_duplicate,
    readings_rejected, dead_letters, second_part)
SELECT n.id, n.source, n.seq, n.received_at, now(), n.messages, n.messages_stored,
    n.messages_duplicate, n.messages_rejected, n.readings, n.readings_stored,
    n.readings_duplicate, n.readings_rejected, n.dead_letters, %(second_part)s::int[]
FROM unnest(%(ids)s::text[], %(sources)s::text[], %(seqs)s::bigint[],
    %(received_ats)s::timestamptz[], %(messages)s::int[], %(messages_stored)s::int[],
    %(messages_duplicate)s::int[], %(messages_rejected)s::int[], %(readings)s::int[],
    %(readings_stored)s::int[], %(readings_duplicate)s::int[], %(readings_rejected)s::int[],
    %(dead_letters)s::int[])
    AS n (id, source, seq, received_at, messages, messages_stored, messages_duplicate,
        messages_rejected, readings, readings_stored, readings_duplicate, readings_rejected,
        dead_letters)
WHERE NOT EXISTS (
    SELECT FROM batch b
    WHERE split_part(b.id, '.', 1) = split_part(n.id, '.', 1) AND b.second_part IS NULL
        AND (starts_with(b.id, n.id) OR starts_with(n.id, b.id)))
ON CONFLICT (id) DO NOTHING
RETURNING id

-- name: batch_line
-- What the ledger has of a batch's line: itself, what it is a part of, and its parts.
SELECT id, second_part FROM batch
WHERE split_part(id, '.', 1) = split_part(%(id)s, '.', 1)
    AND (starts_with(id, %(id)s) OR starts_with(%(id)s, id))
