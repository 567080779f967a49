-- Community edition: a continuous aggregate, and a view of it with the columns of the other edition.
-- Only what was refreshed is shown, as there. Buckets are UTC hours: in a named time zone
-- they can stay stale. Each begins a microsecond after the hour and has the hour's end. An hour is the
-- account's that its first received reading names.
CREATE MATERIALIZED VIEW hourly_bucket
WITH (timescaledb.continuous, timescaledb.materialized_only = true) AS
SELECT device_id, first(account_id, received_at) AS account_id,
    time_bucket(interval '1 hour', time, interval '1 microsecond') AS first_instant,
    sum(value) AS total, avg(value) AS mean, min(value) AS minimum, max(value) AS maximum,
    first(value, time) AS first, last(value, time) AS last, count(*) AS readings_count
FROM reading
GROUP BY device_id, time_bucket(interval '1 hour', time, interval '1 microsecond')
WITH NO DATA;

CREATE VIEW hourly_aggregate AS
SELECT device_id, account_id, time_bucket(interval '1 hour', first_instant) AS hour, total, mean,
    minimum, maximum, first, last, readings_count
FROM hourly_bucket;
