-- Touched months, from the days of their account. A change of a closed month becomes an adjustment, so
-- that its closed total and the adjustments always add up to the live total. A month whose days are
-- all gone goes, too; a closed one stays, with nothing. Answers (months, adjustments).
WITH summed AS (
    SELECT t.device_id, t.month, t.account_id, sum(d.total) AS total,
        sum(d.reading_sum) AS reading_sum, min(d.minimum) AS minimum, max(d.maximum) AS maximum,
        first(d.first, d.day) AS first_register, last(d.last, d.day) AS last_register,
        sum(d.readings_count) AS readings_count, sum(d.intervals_seen) AS intervals_seen
    FROM touched_month t
    JOIN daily_aggregate d ON d.device_id = t.device_id AND d.account_id = t.account_id
        AND d.day >= t.month AND d.day < next_billing_month(t.month)
    GROUP BY t.device_id, t.month, t.account_id
), emptied AS (
    SELECT m.*, EXISTS (SELECT FROM closed_month x
                        WHERE x.account_id = m.account_id AND x.month = m.month) AS is_closed
    FROM touched_month t
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
        first_register, last_register, 0, 0
    FROM emptied WHERE is_closed
), judged AS (
    SELECT c.*, m.closed_total AS closed_before, x.id IS NOT NULL AS is_closed,
        coalesce(c.total, 0) - coalesce(m.total, 0) AS difference
    FROM computed c
    LEFT JOIN monthly_total m USING (device_id, month, account_id)
    LEFT JOIN closed_month x ON x.account_id = c.account_id AND x.month = c.month
), adjusted AS (
    INSERT INTO month_adjustment (account_id, device_id, month, difference)
    SELECT account_id, device_id, month, difference FROM judged
    WHERE is_closed AND difference <> 0
    ORDER BY device_id, month
    RETURNING 1
), written AS (
    INSERT INTO monthly_total (device_id, month, account_id, total, reading_sum, minimum, maximum,
        first_register, last_register, readings_count, intervals_seen, closed_total)
    SELECT device_id, month, account_id, total, reading_sum, minimum, maximum, first_register,
        last_register, readings_count, intervals_seen,
        CASE WHEN is_closed AND total IS NOT NULL THEN coalesce(closed_before, 0)
            ELSE closed_before END
    FROM judged
    ON CONFLICT (device_id, month, account_id) DO UPDATE SET
        total = excluded.total, reading_sum = excluded.reading_sum, minimum = excluded.minimum,
        maximum = excluded.maximum, first_register = excluded.first_register,
        last_register = excluded.last_register, readings_count = excluded.readings_count,
        intervals_seen = excluded.intervals_seen, closed_total = excluded.closed_total
    RETURNING 1
)
SELECT (SELECT count(*) FROM written), (SELECT count(*) FROM adjusted)
