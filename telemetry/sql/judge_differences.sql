-- Which differences are none: what waits for the refresh, and what it refused.
WITH waiting AS MATERIALIZED (
    SELECT DISTINCT unnest(device_ids) AS device_id, hour FROM dirty_hour
    WHERE hour >= (SELECT min(since) FROM difference) AND hour < (SELECT max(ends_at) FROM difference)
)
UPDATE difference f SET verdict = CASE
    WHEN EXISTS (SELECT FROM waiting w WHERE w.device_id = f.device_id
                 AND w.hour >= f.since AND w.hour < f.ends_at)
        OR f.account_id IN (SELECT account_id FROM dirty_account)
        THEN 'waits'
    WHEN EXISTS (SELECT FROM refused_hour r WHERE r.device_id = f.device_id
                 AND r.hour >= f.since AND r.hour < f.ends_at)
        THEN 'refused'
    ELSE 'differs' END
