-- name: lock_closed_months
-- Conflicts with the lock of a refresh's step (aggregates/dirty.py), so each waits for the other.
LOCK TABLE closed_month IN ROW EXCLUSIVE MODE

-- name: check_closing
-- The first day of the billing month that %(month)s lies in, when it begins and ends, and whether dirty
-- hours concern it: hours of the month, and, of registers, any hour before its end, as what a register
-- counted belongs to the later reading. Devices are those of now, and those with a month of the account.
WITH month AS (
    SELECT a.id, a.zones, a.billing_day, a.earlier_billing_days,
        billing_month(%(month)s, a.billing_day, a.earlier_billing_days) AS first_day
    FROM account a WHERE a.id = %(account_id)s
), span AS (
    SELECT id, first_day, local_day_start(first_day, zones) AS starts_at,
        local_day_start(next_billing_month(first_day, billing_day, earlier_billing_days), zones)
            AS ends_at
    FROM month
), concerned AS (
    SELECT array_agg(d.id) AS ids,
        coalesce(array_agg(d.id) FILTER (WHERE d.id IN (
            SELECT device_id FROM installation WHERE measurement = 'cumulative')), '{}') AS registers
    FROM device d, span
    WHERE d.account_id = span.id OR d.id IN (
        SELECT m.device_id FROM monthly_total m WHERE m.account_id = span.id
    )
)
SELECT first_day, starts_at, ends_at,
    EXISTS (SELECT FROM dirty_account WHERE account_id = span.id)
    OR EXISTS (
        SELECT FROM dirty_hour
        WHERE hour < ends_at AND device_ids && concerned.ids
          AND (hour > starts_at - interval '1 hour' OR device_ids && concerned.registers)
    )
FROM span, concerned

-- name: has_dirty_moved_devices
-- Whether dirty hours of [%(since)s, %(until)s) hold readings of the account %(account_id)s from a
-- device that is another account's by now. With more than %(most)s device hours the answer
-- is yes: a refresh makes them fewer.
WITH dirty AS MATERIALIZED (
    SELECT n.hour, each.device_id
    FROM dirty_hour n
    CROSS JOIN LATERAL unnest(n.device_ids) AS each (device_id)
    JOIN device d ON d.id = each.device_id AND d.account_id <> %(account_id)s
    WHERE n.hour >= %(since)s AND n.hour < %(until)s
    LIMIT %(most)s + 1
)
SELECT CASE WHEN (SELECT count(*) FROM dirty) > %(most)s THEN true ELSE EXISTS (
    SELECT FROM dirty n
    CROSS JOIN LATERAL (
        SELECT FROM reading r
        WHERE r.device_id = n.device_id AND r.account_id = %(account_id)s
          AND r.time > n.hour AND r.time <= n.hour + interval '1 hour'
          AND r.time > %(since)s AND r.time <= %(until)s
        LIMIT 1
    ) AS found
) END

-- name: insert_closed_month
INSERT INTO closed_month (account_id, month, closed_by_id, closed_at, note)
VALUES (%(account_id)s, %(month)s, %(user_id)s, %(now)s, %(note)s)
ON CONFLICT DO NOTHING

-- name: keep_closed_totals
-- The totals as they are billed.
UPDATE monthly_total SET closed_total = total
WHERE account_id = %(account_id)s AND month = %(month)s

-- name: read_fingerprint
SELECT md5(coalesce(string_agg(device_id || ' ' || coalesce(total::text, ''), ',' ORDER BY device_id),
    '')) FROM monthly_total
WHERE account_id = %(account_id)s AND month = %(month)s

-- name: count_undecided
SELECT count(*) FROM finding
WHERE account_id = %(account_id)s AND state = 'open' AND rule = ANY(%(rules)s)
  AND since >= %(since)s AND since < %(until)s

-- name: settle_adjustments
-- Adjustments of earlier months are billed with this one.
UPDATE month_adjustment SET settled_in = %(month)s
WHERE account_id = %(account_id)s AND month < %(month)s AND settled_in IS NULL

-- name: keep_closed_lines
-- Each device of the month, and each that has adjustments settled with it, whole, with the names of
-- now; none where it is another account's.
INSERT INTO closed_line (account_id, month, month_end, device_id, gateway_id,
    gateway_code, gateway_name, code, name, "group", kind, measurement, unit, total, daily_mean,
    reading_mean, reading_sum, readings_count, coverage, estimated, first_register, last_register,
    minimum, maximum, quality)
SELECT c.account_id, c.month, span.month_end, d.id,
    CASE WHEN d.account_id = c.account_id THEN g.id END,
    CASE WHEN d.account_id = c.account_id THEN g.code ELSE '' END,
    CASE WHEN d.account_id = c.account_id THEN g.name ELSE '' END,
    CASE WHEN d.account_id = c.account_id THEN d.code ELSE '' END,
    CASE WHEN d.account_id = c.account_id THEN d.name ELSE '' END,
    CASE WHEN d.account_id = c.account_id THEN d."group" ELSE '' END,
    CASE WHEN d.account_id = c.account_id THEN d.kind ELSE '' END,
    i.measurement, i.unit, CASE WHEN m.id IS NULL THEN 0 ELSE m.total END,
    CASE WHEN m.id IS NULL THEN 0 ELSE m.daily_mean END, coalesce(m.reading_mean, 0),
    coalesce(m.reading_sum, 0), coalesce(m.readings_count, 0), m.coverage,
    coalesce(m.estimated, 0), m.first_register, m.last_register, m.minimum, m.maximum, coalesce(noted.rules, '{}')
FROM closed_month c
JOIN account a ON a.id = c.account_id
CROSS JOIN LATERAL (
    SELECT coalesce(max(month_end), (%(month)s::date + interval '1 month')::date) AS month_end
    FROM monthly_consumption WHERE account_id = %(account_id)s AND month = %(month)s
) span
JOIN device d ON d.id IN (
    SELECT device_id FROM monthly_total WHERE account_id = %(account_id)s AND month = %(month)s
    UNION
    SELECT device_id FROM month_adjustment
    WHERE account_id = %(account_id)s AND settled_in = %(month)s)
CROSS JOIN LATERAL installation_of(d.id, local_day_start(c.month, a.zones),
    local_day_start(span.month_end, a.zones)) AS i
LEFT JOIN gateway g ON g.id = d.gateway_id
LEFT JOIN monthly_consumption m ON m.device_id = d.id AND m.account_id = c.account_id
    AND m.month = c.month
LEFT JOIN LATERAL (
    SELECT array_agg(DISTINCT f.rule ORDER BY f.rule) AS rules FROM finding f
    WHERE f.account_id = c.account_id AND f.device_id = d.id
      AND f.state IN ('open', 'accepted', 'ignored')
      AND f.since < local_day_start(span.month_end, a.zones)
      AND coalesce(f.until, 'infinity') > local_day_start(c.month, a.zones)
) noted ON true
WHERE c.account_id = %(account_id)s AND c.month = %(month)s

-- name: list_consuming_devices
SELECT device_id FROM closed_line
WHERE account_id = %(account_id)s AND month = %(month)s AND total IS NOT NULL

-- name: find_settlement
-- The later month with which adjustments of this one were billed.
SELECT max(settled_in) FROM month_adjustment
WHERE account_id = %(account_id)s AND month = %(month)s

-- name: unsettle_adjustments
UPDATE month_adjustment SET settled_in = NULL
WHERE account_id = %(account_id)s AND settled_in = %(month)s

-- name: delete_closed_lines
DELETE FROM closed_line WHERE account_id = %(account_id)s AND month = %(month)s

-- name: delete_closed_month
DELETE FROM closed_month WHERE account_id = %(account_id)s AND month = %(month)s

-- name: clear_closed_totals
UPDATE monthly_total SET closed_total = NULL
WHERE account_id = %(account_id)s AND month = %(month)s

-- name: delete_totals_without_readings
-- Rows that were kept only because they were billed.
DELETE FROM monthly_total
WHERE account_id = %(account_id)s AND month = %(month)s AND readings_count = 0

-- name: delete_adjustments
DELETE FROM month_adjustment WHERE account_id = %(account_id)s AND month = %(month)s

-- name: record_month_event
-- That a month was closed or reopened, with what was billed by device at that moment, and the lines that
-- closing wrote, whole.
INSERT INTO month_event (account_id, month, kind, at, by_id, note, lines, totals)
VALUES (%(account_id)s, %(month)s, %(kind)s, %(now)s, %(user_id)s, %(note)s, (
    SELECT coalesce(jsonb_object_agg(l.device_id, to_jsonb(l)), '{}') FROM closed_line l
    WHERE l.account_id = %(account_id)s AND l.month = %(month)s
), (
    SELECT coalesce(jsonb_object_agg(m.device_id, jsonb_build_object(
        'closed_total', m.closed_total::text,
        'adjustments', (SELECT coalesce(sum(difference), 0)::text FROM month_adjustment j
                        WHERE j.device_id = m.device_id AND j.month = m.month
                          AND j.account_id = m.account_id)
    )), '{}')
    FROM monthly_total m WHERE m.account_id = %(account_id)s AND m.month = %(month)s
))
