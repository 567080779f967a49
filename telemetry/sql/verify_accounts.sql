-- The accounts of a slice of months: those with one billing day.
INSERT INTO verified_account (id, time_zone)
SELECT id, time_zone FROM account
WHERE id = coalesce(%(account_id)s, id) AND billing_day = %(billing_day)s
