-- Rows for which there are no readings go; not of closed months: what was billed there stays.
WITH extra AS (
    SELECT relation, device_id, starts_at, place, account_id FROM difference
    WHERE verdict = 'differs' AND expected IS NULL
), registers AS (
    DELETE FROM hourly_consumption h USING extra f
    WHERE f.relation = 'hourly_consumption' AND h.device_id = f.device_id AND h.hour = f.starts_at
), days AS (
    DELETE FROM daily_aggregate h USING extra f
    WHERE f.relation = 'daily_aggregate' AND h.device_id = f.device_id AND h.day = f.place::date
      AND h.account_id = f.account_id
)
DELETE FROM monthly_total h USING extra f
WHERE f.relation = 'monthly_total' AND h.device_id = f.device_id AND h.month = f.place::date
  AND h.account_id = f.account_id
  AND NOT EXISTS (
    SELECT FROM closed_month x WHERE x.account_id = h.account_id AND x.month = h.month)
