-- The ledger row. Its id is unique: a batch that stands already ends the transaction.
INSERT INTO batch (id, source, seq, received_at, stored_at, messages, messages_stored,
    messages_duplicate, messages_rejected, readings, readings_stored, readings_duplicate,
    readings_rejected, dead_letters)
VALUES (%(id)s, %(source)s, %(seq)s, %(received_at)s, now(), %(messages)s, %(messages_stored)s,
    %(messages_duplicate)s, %(messages_rejected)s, %(readings)s, %(readings_stored)s,
    %(readings_duplicate)s, %(readings_rejected)s, %(dead_letters)s)
ON CONFLICT (id) DO NOTHING
RETURNING id
