-- Days that were cut by an old calendar. Closed months keep theirs; their calendar cannot change.
DELETE FROM daily_aggregate d
WHERE account_id = %(account_id)s AND device_id = ANY(%(device_ids)s)
  AND NOT EXISTS (SELECT FROM closed_month c WHERE c.account_id = d.account_id)
