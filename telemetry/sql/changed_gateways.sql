-- Gateways changed by transactions that the last look did not see. A row's xid is its
-- transaction; all below the snapshot's xmin had ended by then, so none is missed.
SELECT pg_snapshot_xmin(pg_current_snapshot())::text,
       (SELECT coalesce(array_agg(DISTINCT gateway_id), '{}')
        FROM registry_change WHERE xid >= %(since)s::xid8)
