-- name: presence_spans
-- When a gateway was online or offline in a period, in order: from each event to the next one. The first
-- span begins with the period, or with the gateway's first event.
SELECT kind, greatest(at, %(since)s) AS start, lead(at, 1, %(until)s) OVER (ORDER BY at, id) AS end
FROM (
    (SELECT id, kind, at FROM gateway_event
     WHERE gateway_id = %(gateway)s AND at <= %(since)s ORDER BY at DESC, id DESC LIMIT 1)
    UNION ALL
    (SELECT id, kind, at FROM gateway_event
     WHERE gateway_id = %(gateway)s AND at > %(since)s AND at < %(until)s
     ORDER BY at DESC, id DESC LIMIT %(rows)s)
) AS events
ORDER BY start

-- name: pending_dead_letters
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
