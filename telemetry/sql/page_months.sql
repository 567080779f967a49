-- Billing months of some devices, by device and month, after a place. One index range for each
-- device; the differences found since a month was closed are summed, their lines are counted.
SELECT m.device_id, m.month, m.month_end, m.state, m.total, m.daily_mean, m.reading_mean, m.minimum,
    m.maximum, m.first_register, m.last_register, m.readings_count, m.coverage,
    coalesce(adjusted.difference, 0), adjusted.lines
FROM unnest(%(devices)s::bigint[]) AS wanted (id)
CROSS JOIN LATERAL (
    SELECT * FROM monthly_consumption
    WHERE account_id = %(account)s AND device_id = wanted.id
      AND month >= %(since)s AND month < %(until)s
      AND (device_id, month) > (%(device)s, %(at)s)
    ORDER BY month LIMIT %(rows)s
) m
CROSS JOIN LATERAL (
    SELECT sum(difference) AS difference, count(*) AS lines FROM month_adjustment
    WHERE m.state <> 'open' AND device_id = m.device_id AND month = m.month
      AND account_id = %(account)s
) adjusted
ORDER BY m.device_id, m.month
LIMIT %(rows)s
