-- How far back the newest %(rows)s readings of all accounts reach, and whose they are. Each
-- account's newest come from the index (account_id, time), so that the size of the table matters
-- little; a reading in the future is newest of all, as everywhere.
SELECT array_agg(DISTINCT account_id), min(time)
FROM (
    SELECT r.account_id, r.time
    FROM account a
    CROSS JOIN LATERAL (
        SELECT account_id, time FROM reading
        WHERE account_id = a.id AND time >= now() - interval '1 year'
        ORDER BY time DESC LIMIT %(rows)s
    ) r
    ORDER BY r.time DESC LIMIT %(rows)s
) newest
