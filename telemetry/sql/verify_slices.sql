-- UTC days that have readings (by chunk) or hourly rows, local days and months that have rows,
-- and months that are closed.
SELECT DISTINCT day FROM (
    SELECT generate_series(date_trunc('day', range_start, 'UTC'),
        range_end - interval '1 microsecond', interval '1 day') AT TIME ZONE 'UTC'
    FROM timescaledb_information.chunks WHERE hypertable_name = 'reading'
    UNION ALL SELECT DISTINCT date_trunc('day', hour, 'UTC') AT TIME ZONE 'UTC' FROM hourly_aggregate
    UNION ALL SELECT DISTINCT date_trunc('day', hour, 'UTC') AT TIME ZONE 'UTC' FROM hourly_consumption
    UNION ALL SELECT DISTINCT day::timestamp FROM daily_aggregate
    UNION ALL SELECT DISTINCT month::timestamp FROM monthly_total
    UNION ALL SELECT DISTINCT month::timestamp FROM month_adjustment
    UNION ALL SELECT DISTINCT month::timestamp FROM closed_month
) AS days (day)
ORDER BY day
