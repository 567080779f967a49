-- Local days of a month on which there may be readings, or is a row.
SELECT DISTINCT day FROM (
    SELECT generate_series(
        (range_start - %(offset)s) AT TIME ZONE 'UTC', (range_end + %(offset)s) AT TIME ZONE 'UTC',
        interval '1 day')::date
    FROM timescaledb_information.chunks WHERE hypertable_name = 'reading'
    UNION ALL
    SELECT a.day FROM daily_aggregate a JOIN verified_device d ON d.id = a.device_id
    WHERE a.day >= %(month)s AND a.day < next_billing_month(%(month)s)
) AS days (day)
WHERE day >= %(month)s AND day < next_billing_month(%(month)s)
ORDER BY day
