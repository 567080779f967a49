-- The first day of the billing month that %(month)s lies in, when it ends, and whether notes wait
-- that concern it.
WITH month AS (
    SELECT a.id, billing_month(%(month)s, a.billing_day) AS first_day, a.time_zone
    FROM account a WHERE a.id = %(account_id)s
), span AS (
    SELECT id, first_day, local_day_start(first_day, time_zone) AS starts_at,
        local_day_start(next_billing_month(first_day), time_zone) AS ends_at
    FROM month
)
SELECT first_day, ends_at,
    EXISTS (SELECT FROM dirty_account WHERE account_id = span.id)
    OR EXISTS (
        SELECT FROM dirty_hour
        WHERE hour > starts_at - interval '1 hour' AND hour < ends_at
          AND device_ids && (SELECT array_agg(id) FROM device WHERE account_id = span.id)
    )
FROM span
