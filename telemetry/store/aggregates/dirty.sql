-- name: list_dirty
-- The rows of the oldest hours, and whether there are more: up to the hour in which they come to
-- %(rows)s, or to %(device_hours)s device hours. All rows of an hour are taken together: who goes on
-- from what an hour had sees the readings of all of them. How far it goes is asked in sub-selects, so once:
-- the table is empty most of the time, and a join by a planner that knows this asks for each row.
WITH oldest AS (
    SELECT id, hour, device_ids FROM dirty_hour ORDER BY hour, id LIMIT %(rows)s
), counted AS (
    SELECT hour, sum(cardinality(device_ids)) OVER (ORDER BY hour, id) - cardinality(device_ids)
        AS device_hours_before
    FROM oldest
), newest AS (
    SELECT max(hour) AS hour FROM counted WHERE device_hours_before < %(device_hours)s
)
SELECT ARRAY(SELECT id FROM dirty_hour WHERE hour <= (SELECT hour FROM newest)),
    EXISTS (SELECT FROM dirty_hour WHERE hour > (SELECT hour FROM newest))

-- name: claim_dirty_hours
-- Claim dirty hours: which hours of which devices, how they are measured, whether they are frozen, and
-- since when they may have changed. They are deleted at the end of the step, which may have to say
-- why they were dirty.
WITH affected AS (
    SELECT hour, device_id,
        CASE WHEN count(since_ms) = count(*)
            THEN hour + min(since_ms) * interval '1 millisecond' END AS since
    FROM (SELECT hour, unnest(device_ids) AS device_id, unnest(since_ms) AS since_ms
          FROM dirty_hour WHERE id = ANY(%(ids)s)) each
    GROUP BY hour, device_id
)
INSERT INTO affected_hour (device_id, hour, since, measurement, factor, longest_step, is_frozen)
SELECT t.device_id, t.hour, t.since, i.measurement, i.factor,
    CASE WHEN a.spreads_gaps THEN longest_step(i.interval_s) END,
    is_hour_dropped(t.hour, a.zones,
        (SELECT coalesce(max(dropped_before), '-infinity') FROM raw_horizon))
FROM affected t
JOIN device d ON d.id = t.device_id
JOIN account a ON a.id = d.account_id
CROSS JOIN LATERAL installation_of(t.device_id, t.hour, t.hour + interval '1 hour') AS i

-- name: claim_edits
-- The edits that changed readings of dirty hours.
INSERT INTO affected_edit (edit_id, device_id, hour)
SELECT DISTINCT edit_id, unnest(device_ids), hour FROM dirty_hour
WHERE id = ANY(%(ids)s) AND edit_id IS NOT NULL

-- name: claim_changes
-- The changes of meter that made hours dirty.
INSERT INTO affected_change (installation_id, device_id, hour)
SELECT DISTINCT installation_id, unnest(device_ids), hour FROM dirty_hour
WHERE id = ANY(%(ids)s) AND installation_id IS NOT NULL

-- name: record_frozen_hours
-- Late readings whose neighbours were dropped change no aggregate; they are recorded.
WITH frozen AS (
    DELETE FROM affected_hour WHERE is_frozen RETURNING device_id, hour
)
INSERT INTO frozen_hour (device_id, hour, dropped_before)
SELECT device_id, hour, dropped_before FROM frozen CROSS JOIN raw_horizon
ORDER BY device_id, hour
ON CONFLICT (device_id, hour) DO UPDATE
    SET recorded_at = now(), dropped_before = excluded.dropped_before

-- name: claim_dirty_account
-- The oldest account whose calendar changed, and its next devices: those that it has, and those that
-- it had. A newer row of the account that covers as much makes an older one obsolete.
WITH obsolete AS (
    DELETE FROM dirty_account o
    WHERE EXISTS (SELECT FROM dirty_account n
                  WHERE n.account_id = o.account_id AND n.id > o.id AND n.new_days >= o.new_days)
    RETURNING id
), oldest AS (
    SELECT id, account_id, new_days, last_device_id FROM dirty_account
    WHERE id NOT IN (SELECT id FROM obsolete)
    ORDER BY id LIMIT 1
)
SELECT id, account_id, new_days, ARRAY(
    SELECT device_id FROM (
        SELECT d.id AS device_id FROM device d WHERE d.account_id = oldest.account_id
        UNION
        SELECT m.device_id FROM monthly_total m WHERE m.account_id = oldest.account_id
    ) known
    WHERE device_id > oldest.last_device_id ORDER BY device_id LIMIT %(devices)s
), (SELECT count(*) FROM obsolete)
FROM oldest
