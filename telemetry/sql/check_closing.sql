-- The first day of the billing month that %(month)s lies in, when it begins and ends, and whether notes
-- wait that concern it: hours of the month, and, of registers, any hour before its end, as what a register
-- counted belongs to the later reading. Devices are those of now, and those with a month of the account.
WITH month AS (
    SELECT a.id, billing_month(%(month)s, a.billing_day) AS first_day, a.time_zone
    FROM account a WHERE a.id = %(account_id)s
), span AS (
    SELECT id, first_day, local_day_start(first_day, time_zone) AS starts_at,
        local_day_start(next_billing_month(first_day), time_zone) AS ends_at
    FROM month
), concerned AS (
    SELECT array_agg(d.id) AS ids,
        coalesce(array_agg(d.id) FILTER (WHERE d.measurement = 'cumulative'), '{}') AS registers
    FROM device d, span
    WHERE d.account_id = span.id OR d.id IN (
        SELECT m.device_id FROM monthly_total m WHERE m.account_id = span.id
    )
)
SELECT first_day, starts_at, ends_at,
    EXISTS (SELECT FROM dirty_account WHERE account_id = span.id)
    OR EXISTS (
        SELECT FROM dirty_hour
        WHERE hour < ends_at AND device_ids && concerned.ids
          AND (hour > starts_at - interval '1 hour' OR device_ids && concerned.registers)
    )
FROM span, concerned
