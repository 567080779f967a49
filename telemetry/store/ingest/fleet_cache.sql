-- name: load_gateways
-- Gateways with their devices, by MAC. A gateway counts as active when its account is, too. The modulus
-- is the greatest of a device's meters, as a late reading may be of an earlier one; and a meter that
-- is a net one, or was, may have values below zero; and which stamps are moved. And until when it was which other account's.
WITH earlier AS (
    SELECT s.gateway_id, s.account_id,
        lead(s.since) OVER (PARTITION BY s.gateway_id ORDER BY s.since NULLS FIRST) AS until
    FROM assignment s JOIN gateway g ON g.id = s.gateway_id
    WHERE g.mac = ANY(%(macs)s)
)
SELECT g.id, g.account_id, g.mac, g.is_active AND a.is_active,
       coalesce(array_agg(d.code ORDER BY d.id) FILTER (WHERE d.id IS NOT NULL), '{}'),
       coalesce(array_agg(d.id ORDER BY d.id) FILTER (WHERE d.id IS NOT NULL), '{}'),
       coalesce(array_agg(d.is_active ORDER BY d.id) FILTER (WHERE d.id IS NOT NULL), '{}'),
       coalesce(array_agg(d.kind = 'meter' AND NOT EXISTS (
           SELECT FROM installation i WHERE i.device_id = d.id AND i.undone_at IS NULL AND i.is_net
       ) ORDER BY d.id) FILTER (WHERE d.id IS NOT NULL), '{}'),
       coalesce(array_agg(d.unit ORDER BY d.id) FILTER (WHERE d.id IS NOT NULL), '{}'),
       coalesce(array_agg((
           SELECT CASE WHEN count(*) = count(i.register_modulus) THEN max(i.register_modulus) END
           FROM installation i WHERE i.device_id = d.id AND i.undone_at IS NULL
       ) ORDER BY d.id) FILTER (WHERE d.id IS NOT NULL), '{}'),
       coalesce(array_agg((
           SELECT jsonb_agg(jsonb_build_array(s.since_us, s.until_us, s.interval_us))
           FROM stamp_shift s WHERE s.device_id = d.id
       ) ORDER BY d.id) FILTER (WHERE d.id IS NOT NULL), '{}'),
       (SELECT coalesce(array_agg(e.until ORDER BY e.until), '{}') FROM earlier e
        WHERE e.gateway_id = g.id AND e.until IS NOT NULL),
       (SELECT coalesce(array_agg(e.account_id ORDER BY e.until), '{}') FROM earlier e
        WHERE e.gateway_id = g.id AND e.until IS NOT NULL)
FROM gateway g
JOIN account a ON a.id = g.account_id
LEFT JOIN device d ON d.gateway_id = g.id
WHERE g.mac = ANY(%(macs)s)
GROUP BY g.id, a.id

-- name: changed_gateways
-- Gateways changed by transactions that the last look did not see. A row's xid is its
-- transaction; all below the snapshot's xmin had ended by then, so none is missed.
SELECT pg_snapshot_xmin(pg_current_snapshot())::text,
       (SELECT coalesce(array_agg(DISTINCT gateway_id), '{}')
        FROM registry_change WHERE xid >= %(since)s::xid8)
