-- name: freshness
-- What changes when a page of an account would show something else.
SELECT now(), heard.last_seen, heard.online, heard.gateways, refreshed.success_at, alarms.changed_at
FROM (
    SELECT max(last_seen) AS last_seen, count(*) FILTER (WHERE is_online) AS online,
        count(*) FILTER (WHERE is_active) AS gateways
    FROM gateway WHERE account_id = %(account)s
) heard
LEFT JOIN (
    -- Values are those of when the refresh began.
    SELECT success_at - coalesce(duration_ms, 0) * interval '1 millisecond' AS success_at
    FROM task_run WHERE name = 'telemetry.refresh_aggregates'
) refreshed ON true
LEFT JOIN (
    SELECT greatest(
        (SELECT max(changed_at) FROM alarm WHERE account_id = %(account)s),
        (SELECT max(changed_at) FROM finding WHERE account_id = %(account)s)) AS changed_at
) alarms ON true
