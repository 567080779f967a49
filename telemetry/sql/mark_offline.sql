-- Gateways silent for longer than their own interval, judged at %(at)s: everything received up to
-- then has been stored. Each change of state is an event. Rows that a worker holds are skipped:
-- it is writing that they were heard of.
WITH silent AS (
    SELECT id, last_seen FROM gateway
    WHERE is_online
      AND last_seen < %(at)s - make_interval(secs => coalesce(offline_after_s, %(offline_after_s)s))
    ORDER BY id FOR UPDATE SKIP LOCKED
), marked AS (
    UPDATE gateway g SET is_online = false FROM silent s WHERE g.id = s.id RETURNING g.id
), noted AS (
    INSERT INTO gateway_event (gateway_id, kind, at, last_seen)
    SELECT s.id, 'offline', now(), s.last_seen FROM silent s JOIN marked m USING (id)
    RETURNING 1
)
SELECT count(*) FROM noted
