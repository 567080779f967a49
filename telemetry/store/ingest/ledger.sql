-- name: insert_batch
-- The ledger row: of a batch that is stored, or (second_part is set) of one that is split. An id
-- has one row for ever, and nothing goes in beside a stored batch of the same line, above or below
-- it: a split batch's id is the beginning of its parts' ids. No row comes back then.
INSERT INTO batch (id, source, seq, received_at, stored_at, messages, messages_stored,
    messages_duplicate, messages_rejected, readings, readings_stored, readings_duplicate,
    readings_rejected, dead_letters, second_part)
SELECT %(id)s::text, %(source)s::text, %(seq)s::bigint, %(received_at)s::timestamptz, now(),
    %(messages)s::int, %(messages_stored)s::int, %(messages_duplicate)s::int,
    %(messages_rejected)s::int, %(readings)s::int, %(readings_stored)s::int,
    %(readings_duplicate)s::int, %(readings_rejected)s::int, %(dead_letters)s::int,
    %(second_part)s::int[]
WHERE NOT EXISTS (
    SELECT FROM batch b
    WHERE split_part(b.id, '.', 1) = split_part(%(id)s, '.', 1) AND b.second_part IS NULL
        AND (starts_with(b.id, %(id)s) OR starts_with(%(id)s, b.id)))
ON CONFLICT (id) DO NOTHING
RETURNING id

-- name: batch_line
-- What the ledger has of a batch's line: itself, what it is a part of, and its parts.
SELECT id, second_part FROM batch
WHERE split_part(id, '.', 1) = split_part(%(id)s, '.', 1)
    AND (starts_with(id, %(id)s) OR starts_with(%(id)s, id))
