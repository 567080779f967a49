-- name: sum_quarters
-- The ledger by the quarter of an hour, from the quarter before the newest that is known: what was
-- committed late is in it.
INSERT INTO ledger_quarter (start, messages, dead_letters)
SELECT date_bin('15 minutes', stored_at, 'epoch'), sum(messages), sum(dead_letters)
FROM batch
WHERE stored_at >= coalesce((SELECT max(start) - interval '15 minutes' FROM ledger_quarter),
    date_bin('15 minutes', now() - interval '24 hours', 'epoch'))
GROUP BY 1
ON CONFLICT (start) DO UPDATE
SET messages = excluded.messages, dead_letters = excluded.dead_letters, summed_at = now()

-- name: purge_quarters
DELETE FROM ledger_quarter WHERE start < now() - interval '8 days'

-- name: count_groups
-- Every group of waiting dead letters; those in which nothing changed are not written.
MERGE INTO dead_letter_group AS known
USING (
    SELECT reason, mac, account_id, count(*) AS dead_letters, sum(occurrences) AS messages,
        min(first_seen) AS first_seen, max(last_seen) AS last_seen
    FROM dead_letter WHERE state = 'pending' GROUP BY 1, 2, 3
) AS counted
ON known.reason = counted.reason AND known.mac = counted.mac
    AND coalesce(known.account_id, 0) = coalesce(counted.account_id, 0)
WHEN MATCHED AND (known.dead_letters, known.messages, known.first_seen, known.last_seen)
    IS DISTINCT FROM
    (counted.dead_letters, counted.messages, counted.first_seen, counted.last_seen) THEN
    UPDATE SET dead_letters = counted.dead_letters, messages = counted.messages,
        first_seen = counted.first_seen, last_seen = counted.last_seen
WHEN NOT MATCHED BY TARGET THEN
    INSERT (reason, mac, account_id, dead_letters, messages, first_seen, last_seen)
    VALUES (counted.reason, counted.mac, counted.account_id, counted.dead_letters,
        counted.messages, counted.first_seen, counted.last_seen)
WHEN NOT MATCHED BY SOURCE THEN DELETE

-- name: count_group
-- One group again, after an action on it. Of the others nothing is read.
MERGE INTO dead_letter_group AS known
USING (
    SELECT reason, mac, account_id, count(*) AS dead_letters, sum(occurrences) AS messages,
        min(first_seen) AS first_seen, max(last_seen) AS last_seen
    FROM dead_letter WHERE state = 'pending' AND reason = %(reason)s AND mac = %(mac)s
    GROUP BY 1, 2, 3
) AS counted
ON known.reason = counted.reason AND known.mac = counted.mac
    AND coalesce(known.account_id, 0) = coalesce(counted.account_id, 0)
WHEN MATCHED THEN
    UPDATE SET dead_letters = counted.dead_letters, messages = counted.messages,
        first_seen = counted.first_seen, last_seen = counted.last_seen
WHEN NOT MATCHED BY TARGET THEN
    INSERT (reason, mac, account_id, dead_letters, messages, first_seen, last_seen)
    VALUES (counted.reason, counted.mac, counted.account_id, counted.dead_letters,
        counted.messages, counted.first_seen, counted.last_seen)
WHEN NOT MATCHED BY SOURCE AND known.reason = %(reason)s AND known.mac = %(mac)s THEN DELETE

-- name: has_more_waiting
-- Whether more than so many dead letters wait, without counting further.
SELECT count(*) > %(most)s FROM (
    SELECT FROM dead_letter WHERE state = 'pending' LIMIT %(most)s + 1) counted

-- name: recent_messages
-- Messages that were stored in the last minutes.
SELECT coalesce(sum(messages), 0)::bigint FROM batch
WHERE stored_at > now() - make_interval(mins => %(minutes)s)

-- name: gateways
-- Gateways that are online, those that are not, and those that never sent anything.
SELECT count(*) FILTER (WHERE is_online), count(*) FILTER (WHERE NOT is_online),
    count(*) FILTER (WHERE last_seen IS NULL)
FROM gateway WHERE is_active

-- name: dead_letters
-- Groups and messages that wait, by reason; most messages first.
SELECT reason, count(*), sum(messages)::bigint, sum(dead_letters)::bigint
FROM dead_letter_group GROUP BY 1 ORDER BY 3 DESC, 1

-- name: open_counts
-- What waits for a person, counted no further than to so many: groups of dead letters, open alarms.
SELECT
    (SELECT count(*) FROM (SELECT FROM dead_letter_group LIMIT %(most)s) g),
    (SELECT count(*) FROM (SELECT FROM alarm WHERE closed_at IS NULL LIMIT %(most)s) a)

-- name: group_macs
-- MACs of gateways by a part of their code or name, and those whose newest dead letters name a device.
SELECT mac FROM (
    SELECT mac FROM gateway WHERE lower(code || ' ' || name) LIKE lower(%(like)s) LIMIT %(most)s) g
UNION
SELECT mac FROM (
    SELECT mac, device_code FROM dead_letter
    WHERE %(account_id)s::bigint IS NULL OR account_id = %(account_id)s::bigint
    ORDER BY last_seen DESC, id DESC LIMIT (SELECT %(newest)s::int)) d
WHERE device_code = %(text)s
