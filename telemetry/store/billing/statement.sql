-- name: account
-- The zone of an account, and until when days were dropped.
SELECT zones, (SELECT max(range_end) FROM dropped_range WHERE relation = 'daily_aggregate')
FROM account WHERE id = %(account)s

-- name: closed_months
-- Closed months that a period has a part of.
SELECT c.month
FROM closed_month c JOIN account a ON a.id = c.account_id
WHERE c.account_id = %(account)s AND local_day_start(c.month, a.zones) < %(until)s
  AND local_day_start(next_billing_month(c.month, a.billing_day, a.earlier_billing_days), a.zones)
    > %(since)s
ORDER BY 1
