-- How many dead letters of each gateway wait, counted no further than `most`.
SELECT m.mac, l.number
FROM unnest(%(macs)s::text[]) AS m (mac)
CROSS JOIN LATERAL (
    SELECT count(*) AS number
    FROM (
        SELECT FROM dead_letter
        WHERE mac = m.mac AND state = 'pending' AND account_id = %(account)s
        LIMIT %(most)s
    ) AS waiting
) AS l
WHERE l.number > 0
