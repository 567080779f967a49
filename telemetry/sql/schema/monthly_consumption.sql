-- Consumption as it is billed: the closed total where the month is closed, else the live one.
-- `month_end` is the first day of the next billing month. A closed month whose readings all went to
-- another account has none, and a mean of 0.
CREATE VIEW monthly_consumption AS
SELECT m.device_id || '.' || m.month || '.' || m.account_id AS id,
    m.account_id, m.device_id, m.month, calendar.month_end,
    billed.total,
    billed.total / calendar.days_elapsed AS daily_mean,
    coalesce(m.reading_sum / nullif(m.readings_count, 0), 0) AS reading_mean,
    m.reading_sum, m.readings_count,
    least(1, m.intervals_seen / nullif(expected.intervals, 0)) AS coverage,
    m.first_register, m.last_register, m.minimum, m.maximum,
    CASE WHEN c.id IS NULL THEN 'open'
        WHEN coalesce(adjusted.difference, 0) <> 0 THEN 'adjusted'
        ELSE 'closed' END AS state,
    m.estimated
FROM monthly_total m
JOIN account a ON a.id = m.account_id
LEFT JOIN closed_month c ON c.account_id = m.account_id AND c.month = m.month
LEFT JOIN LATERAL (
    SELECT sum(difference) AS difference FROM month_adjustment
    WHERE device_id = m.device_id AND month = m.month AND account_id = m.account_id
      AND c.id IS NOT NULL
) adjusted ON true
CROSS JOIN LATERAL (
    SELECT month_end,
        greatest(1, least(month_end, local_day(now(), a.zones) + 1) - m.month)
            AS days_elapsed,
        local_day_start(m.month, a.zones) AS starts_at,
        least(now(), local_day_start(month_end, a.zones)) AS ends_at
    FROM next_billing_month(m.month, a.billing_day, a.earlier_billing_days) AS month_end
    OFFSET 0  -- computed once for all devices of a month, not for each use
) calendar
CROSS JOIN LATERAL installations_in(m.device_id, calendar.starts_at, calendar.ends_at) AS expected
CROSS JOIN LATERAL (
    SELECT CASE WHEN c.id IS NULL THEN m.total ELSE m.closed_total END AS total
) billed;
