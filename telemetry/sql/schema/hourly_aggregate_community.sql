-- Community edition: a continuous aggregate with the same columns. Only what was refreshed is
-- shown, as in the other edition. Buckets are UTC hours: in a
-- named time zone they can stay stale. An hour is the account's that its first received reading names.
CREATE MATERIALIZED VIEW hourly_aggregate
WITH (timescaledb.continuous, timescaledb.materialized_only = true) AS
SELECT device_id, first(account_id, received_at) AS account_id, time_bucket(interval '1 hour', time) AS hour,
    sum(value) AS total, avg(value) AS mean, min(value) AS minimum, max(value) AS maximum,
    first(value, time) AS first, last(value, time) AS last, count(*) AS readings_count
FROM reading
GROUP BY device_id, time_bucket(interval '1 hour', time)
WITH NO DATA;
