-- name: update_presence
-- Run by presence.py beside this file, as the others: workers set gateways online with what they store;
-- the task `mark_offline_gateways` resets `is_online` (query `mark_offline`).
-- last_seen never goes back, and is not written again before the interval is over, whichever worker
-- wrote it; is_online flips on with an event, but not for what waited long in the queue. Rows that
-- another worker holds are skipped: it is writing the same news. In key order, against deadlocks.
WITH seen AS (
    SELECT * FROM unnest(%(gateway_ids)s::bigint[], %(seen_ats)s::timestamptz[])
        AS s (gateway_id, seen_at)
), held AS (
    SELECT g.id, g.is_online, s.seen_at
    FROM gateway g JOIN seen s ON s.gateway_id = g.id
    WHERE g.last_seen IS NULL OR (NOT g.is_online AND g.last_seen < s.seen_at)
        OR g.last_seen < s.seen_at - %(interval_s)s * interval '1 second'
    ORDER BY g.id FOR UPDATE OF g SKIP LOCKED
), updated AS (
    UPDATE gateway g
    SET last_seen = greatest(g.last_seen, h.seen_at), is_online = true
    FROM held h WHERE g.id = h.id
    RETURNING g.id
)
INSERT INTO gateway_event (gateway_id, kind, at, last_seen)
SELECT h.id, 'online', now(), h.seen_at FROM held h WHERE NOT h.is_online

-- name: mark_offline
-- Gateways that sent nothing for their own `offline_after_s`, or else for the setting's, as of
-- %(at)s: everything received up to then has been stored. Each change of state is an event. Rows that
-- a worker holds are skipped: it is writing that they were heard of. So are gateways whose connection
-- broke. What they sent before counts as received with its batch, a moment after they are gone.
WITH late AS (
    SELECT id FROM gateway
    WHERE is_online
      AND last_seen < %(at)s - make_interval(secs => coalesce(offline_after_s, %(offline_after_s)s))
    UNION
    SELECT g.id
    FROM unnest(%(macs)s::text[], %(gone_ats)s::timestamptz[]) AS gone (mac, gone_at)
    JOIN gateway g USING (mac)
    WHERE g.is_online AND g.last_seen < gone_at + interval '2 seconds'
), silent AS (
    SELECT id, last_seen FROM gateway JOIN late USING (id)
    ORDER BY id FOR UPDATE OF gateway SKIP LOCKED
), marked AS (
    UPDATE gateway g SET is_online = false FROM silent s WHERE g.id = s.id RETURNING g.id
), recorded AS (
    INSERT INTO gateway_event (gateway_id, kind, at, last_seen)
    SELECT s.id, 'offline', now(), s.last_seen FROM silent s JOIN marked m USING (id)
    RETURNING 1
)
SELECT count(*) FROM recorded

-- name: active_gateways
SELECT g.id, g.mac FROM gateway g JOIN account a ON a.id = g.account_id
WHERE g.mac = ANY(%(macs)s) AND g.is_active AND a.is_active
