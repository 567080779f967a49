-- name: fold_ledger
-- Old ledger rows become daily sums, so that the report stays whole for ever. Rows of batches
-- that Redis still holds stay, with all of their line: ids must go on saying what was stored or split.
WITH old AS (
    DELETE FROM batch
    WHERE stored_at < %(before)s AND NOT (split_part(id, '.', 1) = ANY(%(stems)s))
    RETURNING *
), sums AS (
    SELECT (stored_at AT TIME ZONE 'UTC')::date AS day,
        count(*) FILTER (WHERE second_part IS NULL) AS batches, max(seq) AS max_seq,
        sum(messages) AS messages, sum(messages_stored) AS messages_stored,
        sum(messages_duplicate) AS messages_duplicate, sum(messages_rejected) AS messages_rejected,
        sum(readings) AS readings, sum(readings_stored) AS readings_stored,
        sum(readings_duplicate) AS readings_duplicate, sum(readings_rejected) AS readings_rejected,
        sum(dead_letters) AS dead_letters
    FROM old GROUP BY 1
), folded AS (
    INSERT INTO batch_day AS d (day, batches, max_seq, messages, messages_stored,
        messages_duplicate, messages_rejected, readings, readings_stored, readings_duplicate,
        readings_rejected, dead_letters)
    SELECT * FROM sums
    ON CONFLICT (day) DO UPDATE SET
        batches = d.batches + excluded.batches,
        max_seq = greatest(d.max_seq, excluded.max_seq),
        messages = d.messages + excluded.messages,
        messages_stored = d.messages_stored + excluded.messages_stored,
        messages_duplicate = d.messages_duplicate + excluded.messages_duplicate,
        messages_rejected = d.messages_rejected + excluded.messages_rejected,
        readings = d.readings + excluded.readings,
        readings_stored = d.readings_stored + excluded.readings_stored,
        readings_duplicate = d.readings_duplicate + excluded.readings_duplicate,
        readings_rejected = d.readings_rejected + excluded.readings_rejected,
        dead_letters = d.dead_letters + excluded.dead_letters
)
SELECT coalesce(sum(batches), 0) FROM sums
