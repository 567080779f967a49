-- name: upsert_dead_letters
-- The same bad message again raises the count. One that was replayed, or whose value was taken, and
-- failed again waits again; one that was discarded stays discarded.
INSERT INTO dead_letter (fingerprint, topic, payload, reason, detail, mac, device_code,
    gateway_id, account_id, first_seen, last_seen, occurrences, state)
SELECT fingerprint, topic, payload, reason, detail, mac, device_code,
    gateway_id, account_id, seen_at, seen_at, occurrences, 'pending'
FROM unnest(%(fingerprints)s::bytea[], %(topics)s::text[], %(payloads)s::bytea[],
    %(reasons)s::text[], %(details)s::text[], %(macs)s::text[], %(device_codes)s::text[],
    %(gateway_ids)s::bigint[], %(account_ids)s::bigint[], %(seen_ats)s::timestamptz[],
    %(occurrences)s::bigint[])
    AS d (fingerprint, topic, payload, reason, detail, mac, device_code, gateway_id, account_id,
        seen_at, occurrences)
ORDER BY fingerprint
ON CONFLICT (fingerprint) DO UPDATE SET
    occurrences = dead_letter.occurrences + excluded.occurrences,
    first_seen = least(dead_letter.first_seen, excluded.first_seen),
    last_seen = greatest(dead_letter.last_seen, excluded.last_seen),
    detail = excluded.detail,
    gateway_id = coalesce(excluded.gateway_id, dead_letter.gateway_id),
    account_id = coalesce(excluded.account_id, dead_letter.account_id),
    handled_by_id = CASE WHEN dead_letter.state IN ('replayed', 'taken') THEN NULL
        ELSE dead_letter.handled_by_id END,
    handled_at = CASE WHEN dead_letter.state IN ('replayed', 'taken') THEN NULL
        ELSE dead_letter.handled_at END,
    state = CASE WHEN dead_letter.state IN ('replayed', 'taken') THEN 'pending'
        ELSE dead_letter.state END
