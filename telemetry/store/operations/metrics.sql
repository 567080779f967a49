-- name: sum_folded
-- What was folded into daily sums.
SELECT coalesce(sum(messages_stored), 0)::bigint, coalesce(sum(messages_duplicate), 0)::bigint,
    coalesce(sum(messages_rejected), 0)::bigint, coalesce(sum(readings_stored), 0)::bigint,
    coalesce(sum(readings_duplicate), 0)::bigint, coalesce(sum(readings_rejected), 0)::bigint
FROM batch_day

-- name: sum_ledger
-- The ledger's rows of a period (null: without that end) by how long they took and how large they are:
-- places of both in lists of bounds, sums, batches, and the seconds of all messages.
SELECT width_bucket(seconds, %(seconds)s::float[]), width_bucket(messages::float, %(sizes)s::float[]),
    sum(messages_stored)::bigint, sum(messages_duplicate)::bigint, sum(messages_rejected)::bigint,
    sum(readings_stored)::bigint, sum(readings_duplicate)::bigint, sum(readings_rejected)::bigint,
    count(*) FILTER (WHERE messages > 0), sum(seconds * messages)
FROM (
    SELECT *, greatest(0, extract(epoch FROM stored_at - received_at))::float AS seconds FROM batch
    WHERE stored_at >= coalesce(%(since)s::timestamptz, '-infinity')
      AND stored_at < coalesce(%(until)s::timestamptz, 'infinity')
) b
GROUP BY 1, 2

-- name: state
-- What is cheap to ask: presence, hours to compute, alarms, deliveries, connections.
SELECT
    (SELECT count(*) FILTER (WHERE is_online) FROM gateway WHERE is_active),
    (SELECT count(*) FILTER (WHERE NOT is_online) FROM gateway WHERE is_active),
    (SELECT count(DISTINCT hour) FROM dirty_hour),
    (SELECT coalesce(jsonb_object_agg(kind, n), '{}') FROM (
        SELECT kind, count(*) AS n FROM alarm WHERE closed_at IS NULL GROUP BY kind) k),
    (SELECT count(*) FROM alarm_delivery WHERE sent_at IS NULL AND failed_at IS NULL),
    (SELECT count(*) FROM alarm_delivery WHERE failed_at IS NOT NULL),
    (SELECT count(*) FROM pg_stat_activity),
    current_setting('max_connections')::int,
    now()

-- name: tasks
SELECT name, extract(epoch FROM now() - coalesce(success_at, created_at))::float, duration_ms,
    error_at IS NOT NULL AND error_at > coalesce(success_at, created_at)
FROM task_run

-- name: sums
-- What takes longer: dead letters and findings by reason, the size of the database.
SELECT
    (SELECT coalesce(jsonb_object_agg(reason, jsonb_build_array(total, waiting)), '{}') FROM (
        SELECT reason, sum(occurrences) AS total, count(*) FILTER (WHERE state = 'pending') AS waiting
        FROM dead_letter GROUP BY reason) d),
    (SELECT coalesce(jsonb_object_agg(rule, n), '{}') FROM (
        SELECT rule, count(*) AS n FROM finding WHERE state = 'open' GROUP BY rule) f),
    pg_database_size(current_database())

-- name: reading_lag
-- How long readings of the last two minutes were under way, at most so many of them.
SELECT percentile_cont(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY lag) FROM (
    SELECT greatest(0, extract(epoch FROM received_at - time))::float AS lag FROM reading
    WHERE time > now() - interval '2 minutes' LIMIT %(rows)s
) sample
