-- The billing month that begins on the local day %(month)s, as the sum of its days, which were
-- computed from the readings of the same snapshot. A row that begins on a later day of it is one too
-- many.
WITH expected AS (
    SELECT device_id, %(month)s::date AS month, account_id, min(since) AS since,
        sum(total) AS total, sum(reading_sum) AS reading_sum,
        min(minimum) AS minimum, max(maximum) AS maximum, first(first, day) AS first_register,
        last(last, day) AS last_register, sum(readings_count) AS readings_count,
        sum(intervals_seen) AS intervals_seen
    FROM expected_day
    GROUP BY device_id, account_id
), actual AS (
    SELECT m.* FROM monthly_total m
    JOIN verified_device d ON d.id = m.device_id
    JOIN verified_account c ON c.id = m.account_id
    WHERE m.month >= %(month)s AND m.month < next_billing_month(%(month)s)
      AND NOT (m.readings_count = 0 AND EXISTS (  -- billed, and all gone since
        SELECT FROM closed_month x WHERE x.account_id = m.account_id AND x.month = m.month))
)
INSERT INTO difference (relation, device_id, place, starts_at, ends_at, since, account_id, stands,
    expected)
SELECT 'monthly_total', device_id, month::text, local_day_start(month, c.time_zone),
    local_day_start(next_billing_month(month), c.time_zone),
    date_trunc('hour', least(e.since, local_day_start(month, c.time_zone)), 'UTC'), account_id,
    CASE WHEN a.readings_count IS NOT NULL THEN jsonb_build_object(
        'total', a.total, 'reading_sum', a.reading_sum, 'minimum', a.minimum,
        'maximum', a.maximum, 'first_register', a.first_register,
        'last_register', a.last_register, 'readings_count', a.readings_count,
        'intervals_seen', a.intervals_seen) END,
    CASE WHEN e.readings_count IS NOT NULL THEN jsonb_build_object(
        'total', e.total, 'reading_sum', e.reading_sum, 'minimum', e.minimum,
        'maximum', e.maximum, 'first_register', e.first_register,
        'last_register', e.last_register, 'readings_count', e.readings_count,
        'intervals_seen', e.intervals_seen) END
FROM expected e
FULL JOIN actual a USING (device_id, month, account_id)
JOIN verified_account c ON c.id = account_id
WHERE local_day_start(month, c.time_zone) >= %(horizon)s
  AND (a.total, a.reading_sum, a.minimum, a.maximum, a.first_register, a.last_register,
        a.readings_count, a.intervals_seen)
    IS DISTINCT FROM
    (e.total, e.reading_sum, e.minimum, e.maximum, e.first_register, e.last_register,
        e.readings_count, e.intervals_seen)
