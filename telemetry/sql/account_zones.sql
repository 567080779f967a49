-- The time zones in use.
SELECT DISTINCT time_zone FROM account ORDER BY time_zone
