-- Local days of a month on which there may be readings, or is a row.
SELECT DISTINCT day FROM (
    SELECT generate_series(
        (range_start - %(offset)s) AT TIME ZONE 'UTC', (range_end + %(offset)s) AT TIME ZONE 'UTC',
        interval '1 day')::date
    FROM timescaledb_information.chunks WHERE hypertable_name = 'reading'
    UNION ALL
    SELECT g.day FROM daily_aggregate g JOIN verified_account a ON a.id = g.account_id
    WHERE g.day >= %(month)s AND g.day < next_billing_month(%(month)s)
) AS days (day)
WHERE day >= %(month)s AND day < next_billing_month(%(month)s)
ORDER BY day
