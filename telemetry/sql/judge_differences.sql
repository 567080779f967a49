-- Which differences are none: what waits for the refresh, what it refused, and devices on the day
-- and in the month of a change to an account with another calendar.
WITH waiting AS MATERIALIZED (
    SELECT DISTINCT unnest(device_ids) AS device_id, hour FROM dirty_hour
    WHERE hour >= (SELECT min(since) FROM difference) AND hour < (SELECT max(ends_at) FROM difference)
)
UPDATE difference f SET verdict = CASE
    WHEN EXISTS (SELECT FROM waiting w WHERE w.device_id = f.device_id
                 AND w.hour >= f.since AND w.hour < f.ends_at)
        OR f.relation IN ('daily_aggregate', 'monthly_total') AND EXISTS (
            SELECT FROM dirty_account n WHERE n.account_id IN (
                (SELECT account_id FROM device WHERE id = f.device_id),
                (f.stands ->> 'account_id')::bigint, (f.expected ->> 'account_id')::bigint))
        THEN 'waits'
    WHEN EXISTS (SELECT FROM refused_hour r WHERE r.device_id = f.device_id
                 AND r.hour >= f.since AND r.hour < f.ends_at)
        THEN 'refused'
    WHEN is_moved THEN 'moved'
    ELSE 'differs' END
