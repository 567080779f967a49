-- Whether noted hours of [%(since)s, %(until)s) hold readings of the account %(account_id)s from a
-- device that is another account's by now. More than %(most)s device hours to look into are taken
-- for a yes: a refresh makes them fewer.
WITH noted AS MATERIALIZED (
    SELECT n.hour, each.device_id
    FROM dirty_hour n
    CROSS JOIN LATERAL unnest(n.device_ids) AS each (device_id)
    JOIN device d ON d.id = each.device_id AND d.account_id <> %(account_id)s
    WHERE n.hour >= %(since)s AND n.hour < %(until)s
    LIMIT %(most)s + 1
)
SELECT CASE WHEN (SELECT count(*) FROM noted) > %(most)s THEN true ELSE EXISTS (
    SELECT FROM noted n
    CROSS JOIN LATERAL (
        SELECT FROM reading r
        WHERE r.device_id = n.device_id AND r.account_id = %(account_id)s
          AND r.time >= n.hour AND r.time < n.hour + interval '1 hour'
          AND r.time >= %(since)s AND r.time < %(until)s
        LIMIT 1
    ) AS found
) END
