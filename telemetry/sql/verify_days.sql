, placed AS (
    SELECT c.*, date_trunc('hour', time, 'UTC') AS hour,
        first_value(account_id) OVER (
            PARTITION BY device_id, date_trunc('hour', time, 'UTC') ORDER BY received_at
        ) AS owner_id
    FROM counted c
), inside AS (
    SELECT p.*, CASE WHEN p.hour >= z.starts_at AND p.hour + interval '1 hour' <= z.ends_at
        THEN p.hour END AS whole_hour  -- null: the cut ends
    FROM placed p
    JOIN verified_account a ON a.id = p.owner_id
    JOIN verified_zone z ON z.time_zone = a.time_zone
    WHERE (p.time AT TIME ZONE a.time_zone)::date = %(day)s
), hours AS (
    SELECT device_id, owner_id, measurement, interval_s, whole_hour,
        min(coalesce(before_at, time)) AS since, min(time) AS first_at, max(time) AS last_at,
        sum(consumed) AS consumed, sum(value) AS total, min(value) AS minimum, max(value) AS maximum,
        first(value, time) AS first, last(value, time) AS last, count(*) AS readings
    FROM inside
    GROUP BY device_id, owner_id, measurement, interval_s, whole_hour
)
INSERT INTO expected_day (device_id, day, since, account_id, total, reading_sum, minimum, maximum,
    first, last, readings_count, intervals_seen)
SELECT device_id, %(day)s, date_trunc('hour', min(since), 'UTC'), owner_id,
    sum(consumed), sum(total), min(minimum), max(maximum), first(first, first_at),
    last(last, last_at), sum(readings),
    sum(least(readings, greatest(1, 3600.0 / coalesce(interval_s, 3600))))
FROM hours
GROUP BY device_id, owner_id
