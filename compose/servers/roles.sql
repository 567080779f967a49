-- The roles of PostgreSQL, for a server with and without containers. A superuser runs this each time a
-- password changes; it may be repeated. telemetry/sql/rights.sql says what each role may do.
--
-- tds               owns the database: migrations and an operator's commands
-- tds_ingest        the pool that stores batches
-- tds_maintenance   the pool that runs scheduled tasks
-- tds_beat          the process that sends them
-- tds_web           pages, API, admin: bound by row-level security
DO $$
DECLARE
    role text;
BEGIN
    FOREACH role IN ARRAY ARRAY['tds', 'tds_ingest', 'tds_maintenance', 'tds_beat', 'tds_web'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) THEN
            EXECUTE format('CREATE ROLE %I', role);
        END IF;
    END LOOP;
END $$;

ALTER ROLE tds LOGIN PASSWORD :'owner';

-- An operator sees what every process does, and may end its session.
GRANT pg_read_all_stats, pg_signal_backend TO tds;

-- Row-level security costs these two nothing, as it does not apply.
ALTER ROLE tds_ingest LOGIN BYPASSRLS PASSWORD :'ingest';

ALTER ROLE tds_maintenance LOGIN BYPASSRLS PASSWORD :'maintenance';

ALTER ROLE tds_beat LOGIN PASSWORD :'beat';

ALTER ROLE tds_web LOGIN PASSWORD :'web';

-- Old chunks can only be dropped and compressed by their owner: the tasks that do it say SET ROLE.
GRANT tds TO tds_maintenance WITH INHERIT FALSE, SET TRUE;

-- Where this role says `reading`, it gets the view of its account (rights.sql).
ALTER ROLE tds_web SET search_path = scoped, public;

REVOKE CONNECT, TEMPORARY ON DATABASE tds FROM PUBLIC;

GRANT CONNECT, TEMPORARY ON DATABASE tds TO tds_ingest, tds_maintenance;

GRANT CONNECT ON DATABASE tds TO tds_beat, tds_web;
