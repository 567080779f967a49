-- Where the local day %(day)s begins and ends, in every zone of the accounts. Days that begin
-- before the horizon are left out: some of their readings may be gone.
INSERT INTO verified_zone (time_zone, starts_at, ends_at)
SELECT time_zone, starts_at, ends_at
FROM (
    SELECT time_zone, local_day_start(%(day)s, time_zone) AS starts_at,
        local_day_start(%(day)s::date + 1, time_zone) AS ends_at
    FROM (SELECT DISTINCT time_zone FROM verified_account) a
) zones
WHERE starts_at >= %(horizon)s
RETURNING starts_at, ends_at
