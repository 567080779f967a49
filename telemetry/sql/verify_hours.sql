INSERT INTO expected_hour (device_id, hour, since, measurement, account_id, total, mean, minimum,
    maximum, first, first_at, last, last_at, readings_count, consumption, within)
SELECT device_id, date_trunc('hour', time, 'UTC') AS hour,
    date_trunc('hour', coalesce(min(before_at), min(time)), 'UTC'), measurement,
    first(account_id, received_at),
    sum(value), avg(value), min(value), max(value), first(value, time), min(time),
    last(value, time), max(time), count(*), sum(consumed),
    coalesce(sum(consumed) FILTER (WHERE before_at >= date_trunc('hour', time, 'UTC')), 0)
FROM counted
GROUP BY device_id, hour, measurement
