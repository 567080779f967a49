-- What the ledger has of a batch's line: itself, what it is a part of, and its parts.
SELECT id, second_part FROM batch
WHERE split_part(id, '.', 1) = split_part(%(id)s, '.', 1)
    AND (starts_with(id, %(id)s) OR starts_with(%(id)s, id))
