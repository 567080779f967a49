-- The billing month that begins on the local day %(month)s, as the sum of its days, which were
-- computed from the readings of the same snapshot. A row that begins on a later day of it is one too
-- many, unless it is of an account with another billing day, which had the device before.
WITH expected AS (
    SELECT device_id, %(month)s::date AS month, min(since) AS since,
        last(account_id, day) AS account_id, sum(total) AS total, sum(reading_sum) AS reading_sum,
        min(minimum) AS minimum, max(maximum) AS maximum, first(first, day) AS first_register,
        last(last, day) AS last_register, sum(readings_count) AS readings_count,
        sum(intervals_seen) AS intervals_seen,
        bool_or(is_moved) OR min((c.time_zone, c.billing_day)::text)
            <> max((c.time_zone, c.billing_day)::text) AS is_moved
    FROM expected_day JOIN account c ON c.id = account_id
    GROUP BY device_id
), actual AS (
    SELECT m.* FROM monthly_total m JOIN verified_device d ON d.id = m.device_id
    WHERE m.month >= %(month)s AND m.month < next_billing_month(%(month)s)
)
INSERT INTO difference (relation, device_id, place, starts_at, ends_at, since, is_moved, stands,
    expected)
SELECT 'monthly_total', device_id, month::text, local_day_start(month, c.time_zone),
    local_day_start(next_billing_month(month), c.time_zone),
    date_trunc('hour', coalesce(e.since, local_day_start(month, c.time_zone)), 'UTC'),
    coalesce(e.is_moved, false) OR c.billing_day <> b.billing_day,
    CASE WHEN a.readings_count IS NOT NULL THEN jsonb_build_object('account_id', a.account_id,
        'total', a.total, 'reading_sum', a.reading_sum, 'minimum', a.minimum,
        'maximum', a.maximum, 'first_register', a.first_register,
        'last_register', a.last_register, 'readings_count', a.readings_count,
        'intervals_seen', a.intervals_seen) END,
    CASE WHEN e.readings_count IS NOT NULL THEN jsonb_build_object('account_id', e.account_id,
        'total', e.total, 'reading_sum', e.reading_sum, 'minimum', e.minimum,
        'maximum', e.maximum, 'first_register', e.first_register,
        'last_register', e.last_register, 'readings_count', e.readings_count,
        'intervals_seen', e.intervals_seen) END
FROM expected e
FULL JOIN actual a USING (device_id, month)
JOIN device d ON d.id = device_id
JOIN account b ON b.id = d.account_id
LEFT JOIN account named ON named.id = coalesce(a.account_id, e.account_id)
JOIN account c ON c.id = coalesce(named.id, b.id)
WHERE local_day_start(month, c.time_zone) >= %(horizon)s
  AND (a.account_id, a.total, a.reading_sum, a.minimum, a.maximum, a.first_register,
        a.last_register, a.readings_count, a.intervals_seen)
    IS DISTINCT FROM
    (e.account_id, e.total, e.reading_sum, e.minimum, e.maximum, e.first_register,
        e.last_register, e.readings_count, e.intervals_seen)
