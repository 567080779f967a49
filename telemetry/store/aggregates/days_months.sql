-- name: find_affected_days
-- The local days that affected hours lie in, in the zone of the hour's account. In a zone of half
-- hours one hour can lie in two days. Of devices that were another account's: all days near by, as an
-- hour may have gone from one account to the other; not before the horizon, where none does and
-- readings may be gone. And the days that gaps and changes of meter lie in, which may have no readings.
WITH parts AS (
    SELECT DISTINCT t.device_id, h.account_id, a.zones,
        local_day(t.hour + part.shift, a.zones) AS day
    FROM affected_hour t
    JOIN hourly_aggregate h ON h.device_id = t.device_id AND h.hour = t.hour
        AND h.hour BETWEEN %(first)s AND %(last)s
    JOIN account a ON a.id = h.account_id
    CROSS JOIN (VALUES (interval '0'), (interval '59 minutes 59.999999 seconds')) AS part (shift)
), spans AS (
    SELECT DISTINCT s.device_id, s.account_id, a.zones, day::date AS day
    FROM affected_span s
    JOIN account a ON a.id = s.account_id
    CROSS JOIN LATERAL generate_series(
        local_day(s.since, a.zones)::timestamp,
        local_day(s.until - interval '1 microsecond', a.zones), interval '1 day') AS day
), moved AS (
    SELECT device_id AS id FROM (
        SELECT device_id, account_id FROM parts UNION SELECT device_id, account_id FROM spans
    ) AS p
    WHERE EXISTS (
        SELECT FROM monthly_total m
        WHERE m.device_id = p.device_id AND m.account_id <> p.account_id)
), found AS (
    SELECT device_id, account_id, zones, day, false AS is_doubtful FROM parts
    UNION ALL
    SELECT device_id, account_id, zones, day, true
    FROM spans, (
        SELECT coalesce(max(dropped_before), '-infinity') AS dropped_before FROM raw_horizon
    ) horizon
    WHERE dropped_before = '-infinity'
        OR local_day_start(day + 1, zones) > dropped_before
            AND (is_day_of_whole_hours(day, zones)
                OR local_day_start(day, zones) >= dropped_before)
    UNION ALL
    SELECT g.device_id, g.account_id, a.zones, g.day, true
    FROM (SELECT DISTINCT id FROM moved) AS moved
    JOIN affected_hour t ON t.device_id = moved.id
        AND t.hour >= coalesce((SELECT max(dropped_before) FROM raw_horizon), '-infinity')
    JOIN daily_aggregate g ON g.device_id = t.device_id
        AND g.day BETWEEN (t.hour AT TIME ZONE 'UTC')::date - 1 AND (t.hour AT TIME ZONE 'UTC')::date + 1
    JOIN account a ON a.id = g.account_id
), days AS (
    SELECT day, zones, local_day_start(day, zones) AS starts_at,
        local_day_start(day + 1, zones) AS ends_at
    FROM (SELECT DISTINCT day, zones FROM found) AS each
)
INSERT INTO affected_day (device_id, day, account_id, starts_at, ends_at, is_doubtful)
SELECT f.device_id, f.day, f.account_id, min(d.starts_at), min(d.ends_at), bool_and(f.is_doubtful)
FROM found f JOIN days d USING (day, zones)
GROUP BY f.device_id, f.day, f.account_id

-- name: find_changed_days
-- Days near hours that an edit or a change of meter made dirty: where these have no readings, no hour
-- leads to the day. Not before the horizon, where nothing changes.
INSERT INTO affected_day (device_id, day, account_id, starts_at, ends_at, is_doubtful)
SELECT DISTINCT g.device_id, g.day, g.account_id, local_day_start(g.day, a.zones),
    local_day_start(g.day + 1, a.zones), true
FROM (
    SELECT device_id, hour FROM affected_edit UNION SELECT device_id, hour FROM affected_change
) e
JOIN affected_hour USING (device_id, hour)
JOIN daily_aggregate g ON g.device_id = e.device_id
    AND g.day BETWEEN (e.hour AT TIME ZONE 'UTC')::date - 1 AND (e.hour AT TIME ZONE 'UTC')::date + 1
JOIN account a ON a.id = g.account_id
WHERE e.hour < local_day_start(g.day + 1, a.zones)
  AND e.hour + interval '1 hour' > local_day_start(g.day, a.zones)
ON CONFLICT DO NOTHING

-- name: refresh_days
-- Affected days, from the hours of their account that lie whole in them and the parts of hours at their
-- ends: days add up to hours, whoever owned the device. The two ends count as one hour for the
-- coverage. Of a gap a day gets what was consumed between its own ends. Doubtful days that have
-- nothing go. Answers how many there are.
WITH computed AS (
    SELECT t.device_id, t.day, t.account_id, i.counts, s.total AS reading_sum, s.minimum,
        s.maximum, s.first, s.last, s.readings_count,
        least(coalesce(s.intervals_seen, 0), greatest(1, i.intervals)) AS intervals_seen,
        s.consumption AS consumed, g.moved, g.estimated
    FROM affected_day t
    CROSS JOIN LATERAL installations_in(t.device_id, t.starts_at, t.ends_at) AS i
    CROSS JOIN LATERAL (
        SELECT sum(p.total) AS total, sum(p.consumption) AS consumption,
            min(p.minimum) AS minimum, max(p.maximum) AS maximum,
            first(p.first, p.starts_at) FILTER (WHERE p.first IS NOT NULL) AS first,
            last(p.last, p.starts_at) FILTER (WHERE p.last IS NOT NULL) AS last,
            sum(p.readings_count) AS readings_count,
            sum(least(p.whole, intervals_an_hour(coalesce(i.interval_s, (
                SELECT o.interval_s FROM installation_of(t.device_id, p.starts_at,
                    p.starts_at + interval '1 hour') AS o)))))
                + least(sum(p.parts), intervals_an_hour(coalesce(i.interval_s, (
                    SELECT o.interval_s
                    FROM installation_of(t.device_id, t.starts_at, t.ends_at) AS o))))
                AS intervals_seen
        FROM (
            SELECT h.hour AS starts_at,
                CASE WHEN i.counts THEN coalesce((
                    SELECT c.consumption FROM hourly_consumption c
                    WHERE c.device_id = h.device_id AND c.hour = h.hour
                ), (
                    SELECT h.total FROM installation_of(t.device_id, h.hour, h.hour + interval '1 hour')
                        AS o WHERE o.measurement = 'delta'  -- from before steps were kept
                )) END AS consumption,
                h.total, h.minimum, h.maximum, h.first, h.last, h.readings_count,
                h.readings_count AS whole, 0 AS parts
            FROM hourly_aggregate h
            WHERE h.device_id = t.device_id AND h.account_id = t.account_id
              AND h.hour >= t.starts_at AND h.hour <= t.ends_at - interval '1 hour'
              AND h.hour >= %(first)s AND h.hour < %(last)s
            UNION ALL
            SELECT c.hour, c.consumption, NULL, NULL, NULL, NULL, NULL, NULL, 0, 0
            FROM hourly_consumption c
            WHERE c.device_id = t.device_id AND c.account_id = t.account_id
              AND c.steps IS NOT NULL AND c.steps <> '[]' AND c.first IS NULL
              AND c.hour >= t.starts_at AND c.hour <= t.ends_at - interval '1 hour'
            UNION ALL
            SELECT e.starts_at, e.consumption, e.total, e.minimum, e.maximum, e.first, e.last,
                e.readings_count, 0, coalesce(e.readings_count, 0)
            FROM day_part e
            WHERE e.device_id = t.device_id AND e.day = t.day AND e.account_id = t.account_id
        ) p
    ) s
    CROSS JOIN LATERAL (
        SELECT sum(part) - coalesce(sum(c.step) FILTER (WHERE c.step_to <= t.ends_at), 0) AS moved,
            sum(part) FILTER (WHERE c.step_from < t.starts_at OR c.step_to > t.ends_at)
                AS estimated
        FROM (
            SELECT account_id, step, step_from, step_to FROM hourly_consumption
            WHERE device_id = t.device_id AND is_gap
              AND hour > t.starts_at - interval '1 hour' AND hour < t.ends_at
            UNION ALL
            (SELECT account_id, step, step_from, step_to FROM hourly_consumption
             WHERE device_id = t.device_id AND is_gap AND hour >= t.ends_at
             ORDER BY hour LIMIT 1)
        ) c
        CROSS JOIN LATERAL (
            SELECT consumed_until(c.step, c.step_from, c.step_to, t.ends_at)
                - consumed_until(c.step, c.step_from, c.step_to, t.starts_at) AS part
        ) consumed
        WHERE c.account_id = t.account_id
          AND c.step_from < t.ends_at AND c.step_to > t.starts_at
          AND i.counts
    ) g
    WHERE s.readings_count IS NOT NULL OR s.consumption IS NOT NULL OR g.moved IS NOT NULL
), written AS (
    INSERT INTO daily_aggregate (device_id, day, account_id, total, reading_sum, minimum, maximum,
        first, last, readings_count, intervals_seen, estimated)
    SELECT device_id, day, account_id,
        CASE WHEN counts THEN coalesce(consumed, 0) + coalesce(moved, 0) END,
        coalesce(reading_sum, 0), minimum, maximum, first, last, coalesce(readings_count, 0),
        intervals_seen, coalesce(estimated, 0)
    FROM computed
    ON CONFLICT (device_id, day, account_id) DO UPDATE SET
        total = excluded.total, reading_sum = excluded.reading_sum, minimum = excluded.minimum,
        maximum = excluded.maximum, first = excluded.first, last = excluded.last,
        readings_count = excluded.readings_count, intervals_seen = excluded.intervals_seen,
        estimated = excluded.estimated
    RETURNING device_id, day, account_id
), deleted AS (
    DELETE FROM daily_aggregate g USING affected_day t
    WHERE t.is_doubtful
      AND g.device_id = t.device_id AND g.day = t.day AND g.account_id = t.account_id
      AND NOT EXISTS (
        SELECT FROM computed c
        WHERE c.device_id = t.device_id AND c.day = t.day AND c.account_id = t.account_id)
)
SELECT count(*) FROM written

-- name: find_affected_months
-- The billing months of affected days.
INSERT INTO affected_month (device_id, month, account_id)
SELECT DISTINCT t.device_id, billing_month(t.day, a.billing_day, a.earlier_billing_days),
    t.account_id
FROM affected_day t
JOIN account a ON a.id = t.account_id

-- name: find_affected_account_months
-- Every billing month of the account %(account_id)s and some devices.
INSERT INTO affected_month (device_id, month, account_id)
SELECT DISTINCT d.device_id, billing_month(d.day, a.billing_day, a.earlier_billing_days),
    d.account_id
FROM daily_aggregate d
JOIN account a ON a.id = d.account_id
WHERE d.account_id = %(account_id)s AND d.device_id = ANY(%(device_ids)s)

-- name: refresh_months
-- Affected months, from the days of their account. A change of a closed month becomes an adjustment, so
-- that its closed total and the adjustments always add up to the live total. A month whose days are
-- all gone goes, too; a closed one stays, with nothing. Answers (months, adjustments).
WITH spans AS MATERIALIZED (
    SELECT t.device_id, t.month, t.account_id, c.month_end, c.starts_at, c.ends_at
    FROM affected_month t
    JOIN (
        SELECT a.id, m.month, month_end, local_day_start(m.month, a.zones) AS starts_at,
            local_day_start(month_end, a.zones) AS ends_at
        FROM (SELECT DISTINCT account_id, month FROM affected_month) m
        JOIN account a ON a.id = m.account_id
        CROSS JOIN next_billing_month(m.month, a.billing_day, a.earlier_billing_days) AS month_end
        OFFSET 0  -- computed once for all devices of a month, not for each of their days
    ) c ON c.id = t.account_id AND c.month = t.month
), days AS (
    SELECT t.device_id, t.month, t.account_id, t.starts_at, t.ends_at, sum(d.total) AS total,
        sum(d.reading_sum) AS reading_sum, min(d.minimum) AS minimum, max(d.maximum) AS maximum,
        first(d.first, d.day) FILTER (WHERE d.first IS NOT NULL) AS first_register,
        last(d.last, d.day) FILTER (WHERE d.last IS NOT NULL) AS last_register,
        sum(d.readings_count) AS readings_count, sum(d.intervals_seen) AS intervals_seen
    FROM spans t
    JOIN daily_aggregate d ON d.device_id = t.device_id AND d.account_id = t.account_id
        AND d.day >= t.month AND d.day < t.month_end
    GROUP BY t.device_id, t.month, t.account_id, t.starts_at, t.ends_at
), summed AS (
    SELECT d.device_id, d.month, d.account_id, d.total, d.reading_sum, d.minimum, d.maximum,
        d.first_register, d.last_register, d.readings_count, d.intervals_seen,
        CASE WHEN d.total IS NULL THEN 0 ELSE g.estimated END AS estimated
    FROM days d
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(consumed_until(c.step, c.step_from, c.step_to, d.ends_at)
            - consumed_until(c.step, c.step_from, c.step_to, d.starts_at)), 0) AS estimated
        FROM (
            -- The gaps over the two ends of the month, or the one over both.
            (SELECT hour, account_id, step, step_from, step_to FROM hourly_consumption
             WHERE device_id = d.device_id AND is_gap
               AND hour > d.starts_at - interval '1 hour' AND step_to > d.starts_at
             ORDER BY hour LIMIT 1)
            UNION
            (SELECT hour, account_id, step, step_from, step_to FROM hourly_consumption
             WHERE device_id = d.device_id AND is_gap
               AND hour > d.ends_at - interval '1 hour' AND step_to > d.ends_at
             ORDER BY hour LIMIT 1)
        ) c
        WHERE c.account_id = d.account_id
          AND (c.step_from < d.starts_at OR c.step_to > d.ends_at AND c.step_from < d.ends_at)
    ) g
), emptied AS (
    SELECT m.*, EXISTS (SELECT FROM closed_month x
                        WHERE x.account_id = m.account_id AND x.month = m.month) AS is_closed
    FROM affected_month t
    JOIN monthly_total m USING (device_id, month, account_id)
    LEFT JOIN summed s USING (device_id, month, account_id)
    WHERE s.device_id IS NULL
), deleted AS (
    DELETE FROM monthly_total m USING emptied e
    WHERE (m.device_id, m.month, m.account_id) = (e.device_id, e.month, e.account_id)
      AND NOT e.is_closed
), computed AS (
    SELECT * FROM summed
    UNION ALL
    SELECT device_id, month, account_id, CASE WHEN total IS NOT NULL THEN 0 END, 0, minimum, maximum,
        first_register, last_register, 0, 0, 0
    FROM emptied WHERE is_closed
), compared AS (
    SELECT c.*, m.closed_total AS closed_before, x.id IS NOT NULL AS is_closed,
        coalesce(c.total, 0) - coalesce(m.total, 0) AS difference
    FROM computed c
    LEFT JOIN monthly_total m USING (device_id, month, account_id)
    LEFT JOIN closed_month x ON x.account_id = c.account_id AND x.month = c.month
), adjusted AS (
    INSERT INTO month_adjustment (account_id, device_id, month, difference)
    SELECT account_id, device_id, month, difference FROM compared
    WHERE is_closed AND difference <> 0
    ORDER BY device_id, month
    RETURNING 1
), written AS (
    INSERT INTO monthly_total (device_id, month, account_id, total, reading_sum, minimum, maximum,
        first_register, last_register, readings_count, intervals_seen, estimated, closed_total)
    SELECT device_id, month, account_id, total, reading_sum, minimum, maximum, first_register,
        last_register, readings_count, intervals_seen, estimated,
        CASE WHEN is_closed AND total IS NOT NULL THEN coalesce(closed_before, 0)
            ELSE closed_before END
    FROM compared
    ON CONFLICT (device_id, month, account_id) DO UPDATE SET
        total = excluded.total, reading_sum = excluded.reading_sum, minimum = excluded.minimum,
        maximum = excluded.maximum, first_register = excluded.first_register,
        last_register = excluded.last_register, readings_count = excluded.readings_count,
        intervals_seen = excluded.intervals_seen, estimated = excluded.estimated,
        closed_total = excluded.closed_total
    RETURNING 1
)
SELECT (SELECT count(*) FROM written), (SELECT count(*) FROM adjusted)

-- name: delete_days
-- Days of an old calendar: those after the closed months, which keep theirs.
DELETE FROM daily_aggregate d
WHERE account_id = %(account_id)s AND device_id = ANY(%(device_ids)s)
  AND day >= first_open_day(%(account_id)s)

-- name: find_affected_account_hours
-- Every hour after the closed months, of the account %(account_id)s and some devices, whose days are
-- computed again.
INSERT INTO affected_hour (device_id, hour, measurement, is_frozen)
SELECT h.device_id, h.hour, d.measurement, false
FROM hourly_aggregate h
JOIN device d ON d.id = h.device_id
WHERE h.account_id = %(account_id)s AND h.device_id = ANY(%(device_ids)s)
  AND h.hour >= (
    SELECT local_day_start(first_open_day(a.id), a.zones) - interval '1 hour' FROM account a
    WHERE a.id = %(account_id)s)

-- name: find_affected_account_spans
-- And the gaps and changes of meter that days without readings may have consumption of.
INSERT INTO affected_span (device_id, account_id, since, until)
SELECT device_id, account_id, coalesce(step_from, hour), hour + interval '1 hour'
FROM hourly_consumption
WHERE account_id = %(account_id)s AND device_id = ANY(%(device_ids)s)
  AND (is_gap OR steps IS NOT NULL AND first IS NULL)
  AND hour >= (
    SELECT local_day_start(first_open_day(a.id), a.zones) - interval '1 hour' FROM account a
    WHERE a.id = %(account_id)s)

-- name: delete_months
-- Months of an old calendar that are not closed.
DELETE FROM monthly_total m
WHERE account_id = %(account_id)s AND device_id = ANY(%(device_ids)s)
  AND NOT EXISTS (
    SELECT FROM closed_month c WHERE c.account_id = m.account_id AND c.month = m.month)

-- name: split_hour
-- The parts of affected days that lie in one UTC hour, %(hour)s to %(end)s, with the border between
-- two local days at %(border)s inside it. A reading at the border is of the day that ends.
-- The steps of the hour are those of hourly_consumption; each part has the steps that end in it.
WITH affected AS (
    SELECT t.device_id, t.day, t.account_id, t.starts_at = %(border)s AS is_after
    FROM affected_day t
    WHERE t.starts_at = %(border)s OR t.ends_at = %(border)s
), steps AS (
    SELECT d.device_id, r.time > %(border)s AS is_after, r.value, r.time,
        CASE WHEN c.steps IS NOT NULL OR i.measurement = 'gauge' THEN 0
            WHEN i.measurement = 'delta' THEN scaled(r.value, i.factor)
            ELSE coalesce(scaled(r.value, i.factor)
                - scaled(lag(r.value) OVER by_time, i.factor), c.step) END AS consumed
    FROM (SELECT DISTINCT a.device_id, a.account_id FROM affected a) d
    CROSS JOIN LATERAL installation_of(d.device_id, %(hour)s, %(end)s) AS i
    JOIN hourly_aggregate h ON h.device_id = d.device_id AND h.account_id = d.account_id
        AND h.hour = %(hour)s
    JOIN reading r ON r.device_id = d.device_id AND r.time > %(hour)s AND r.time <= %(end)s
    LEFT JOIN hourly_consumption c ON c.device_id = d.device_id AND c.hour = %(hour)s
    WINDOW by_time AS (PARTITION BY d.device_id ORDER BY r.time)
), uneven AS (
    SELECT c.device_id, c.account_id, (one ->> 0)::timestamptz > %(border)s AS is_after,
        (one ->> 1)::numeric AS consumed
    FROM hourly_consumption c, jsonb_array_elements(c.steps) AS one
    WHERE c.hour = %(hour)s AND c.device_id IN (SELECT device_id FROM affected)
)
INSERT INTO day_part (device_id, day, starts_at, account_id, consumption, total, minimum, maximum,
    first, last, readings_count)
SELECT t.device_id, t.day, min(s.time) - interval '1 microsecond', t.account_id,
    coalesce(sum(s.consumed), 0), sum(s.value), min(s.value), max(s.value),
    first(s.value, s.time), last(s.value, s.time), count(*)
FROM affected t JOIN steps s USING (device_id, is_after)
WHERE EXISTS (
    SELECT FROM hourly_aggregate h
    WHERE h.device_id = t.device_id AND h.account_id = t.account_id AND h.hour = %(hour)s)
GROUP BY t.device_id, t.day, t.account_id, t.is_after
UNION ALL
SELECT t.device_id, t.day, %(hour)s, t.account_id, sum(u.consumed), NULL, NULL, NULL, NULL, NULL, NULL
FROM affected t JOIN uneven u USING (device_id, account_id, is_after)
GROUP BY t.device_id, t.day, t.account_id
