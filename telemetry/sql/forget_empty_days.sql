-- Days whose hours all went to another account.
DELETE FROM daily_aggregate g USING touched_day t
WHERE t.is_doubtful
  AND g.device_id = t.device_id AND g.day = t.day AND g.account_id = t.account_id
  AND NOT EXISTS (
    SELECT FROM hourly_aggregate h WHERE h.device_id = t.device_id AND h.account_id = t.account_id
      AND h.hour >= t.starts_at AND h.hour <= t.ends_at - interval '1 hour'
      AND h.hour >= %(first)s AND h.hour < %(last)s)
  AND NOT EXISTS (
    SELECT FROM day_part p WHERE p.device_id = t.device_id AND p.day = t.day
      AND p.account_id = t.account_id)
