, placed AS (
    SELECT c.*,
        z.starts_at IS NOT NULL AND (c.time AT TIME ZONE a.time_zone)::date = %(day)s AS is_in_day,
        CASE WHEN date_trunc('hour', c.time, 'UTC') >= z.starts_at
            AND date_trunc('hour', c.time, 'UTC') + interval '1 hour' <= z.ends_at
            THEN date_trunc('hour', c.time, 'UTC') END AS whole_hour  -- null: the cut ends
    FROM counted c
    JOIN account a ON a.id = c.account_id
    LEFT JOIN verified_zone z ON z.time_zone = a.time_zone
), hours AS (
    SELECT device_id, measurement, interval_s, is_in_day, whole_hour,
        min(coalesce(before_at, time)) AS since, min(time) AS first_at, max(time) AS last_at,
        last(account_id, time) AS account_id, min(account_id) AS one, max(account_id) AS other,
        sum(consumed) AS consumed, sum(value) AS total, min(value) AS minimum, max(value) AS maximum,
        first(value, time) AS first, last(value, time) AS last, count(*) AS readings
    FROM placed
    GROUP BY device_id, measurement, interval_s, is_in_day, whole_hour
)
INSERT INTO expected_day (device_id, day, since, account_id, is_moved, total, reading_sum, minimum,
    maximum, first, last, readings_count, intervals_seen)
SELECT device_id, %(day)s, date_trunc('hour', min(since) FILTER (WHERE is_in_day), 'UTC'),
    last(account_id, last_at) FILTER (WHERE is_in_day),
    min(one) <> max(other) AND (
        SELECT (a.time_zone, a.billing_day) <> (b.time_zone, b.billing_day)
        FROM account a, account b WHERE a.id = min(one) AND b.id = max(other)),
    sum(consumed) FILTER (WHERE is_in_day), sum(total) FILTER (WHERE is_in_day),
    min(minimum) FILTER (WHERE is_in_day), max(maximum) FILTER (WHERE is_in_day),
    first(first, first_at) FILTER (WHERE is_in_day), last(last, last_at) FILTER (WHERE is_in_day),
    sum(readings) FILTER (WHERE is_in_day),
    sum(least(readings, greatest(1, 3600.0 / coalesce(interval_s, 3600)))) FILTER (WHERE is_in_day)
FROM hours
GROUP BY device_id
HAVING bool_or(is_in_day)
