-- What each role of compose/servers/roles.sql may do, and the wall between accounts. `migrate` runs this at its
-- end (telemetry/store/db/rights.py), in one transaction; it may be repeated. Roles that do not exist get nothing: where one role
-- does everything, it owns the tables, and owners are not bound.

-- The account that a session of tds_web opened: NULL none, 0 every account (admin, commands).
CREATE SCHEMA IF NOT EXISTS scoped;
CREATE OR REPLACE FUNCTION scoped.account() RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE
RETURN nullif(current_setting('app.account_id', true), '')::bigint;

-- Triggers keep the rules of the schema whoever writes, so they see and write everything.
DO $$
DECLARE
    trigger_function regprocedure;
BEGIN
    FOR trigger_function IN
        SELECT p.oid FROM pg_proc p
        WHERE pronamespace = 'public'::regnamespace AND prorettype = 'trigger'::regtype
            AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = p.oid AND deptype = 'e')
    LOOP
        EXECUTE format('ALTER FUNCTION %s SECURITY DEFINER SET search_path = public, pg_temp',
            trigger_function);
    END LOOP;
END $$;

-- Row-level security of every table with an account, and of those whose rows belong to one that has. The
-- sub-selects are evaluated once for each query, and not for each row. Whether every account is open is one
-- by itself: of a condition that is true or false the planner expects half of all rows; of a comparison with
-- a number it does not know, one in 200, and it sorts a whole table for one page of a list.
DO $$
DECLARE
    one record;
    open_account constant text := '(SELECT scoped.account())';
    every_account constant text := '(SELECT scoped.account() = 0)';
    rule text;
BEGIN
    -- Policies of an earlier release, which compared outside the sub-select.
    FOR one IN
        SELECT polname, polrelid::regclass AS relation FROM pg_policy
        WHERE polrelid IN (SELECT polrelid FROM pg_policy WHERE polname = 'account'
            AND pg_get_expr(polqual, polrelid) NOT LIKE '%( SELECT (scoped.account() = 0))%')
    LOOP
        EXECUTE format('DROP POLICY %I ON %s', one.polname, one.relation);
    END LOOP;
    FOR one IN
        SELECT c.oid::regclass AS relation, c.relname,
            (SELECT attname FROM pg_attribute WHERE attrelid = c.oid AND NOT attisdropped
                AND attname = CASE c.relname WHEN 'account' THEN 'id' ELSE 'account_id' END) AS own,
            -- The table that it belongs to: a device, a gateway, a schedule.
            coalesce(
                (SELECT format('SELECT FROM %s parent WHERE parent.id = %I.%I',
                    k.confrelid::regclass, c.relname, a.attname)
                FROM pg_constraint k
                JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.conkey[1]
                WHERE k.conrelid = c.oid AND k.contype = 'f' AND EXISTS (SELECT FROM pg_attribute
                    WHERE attrelid = k.confrelid AND attname = 'account_id' AND NOT attisdropped)
                ORDER BY a.attnum LIMIT 1),
                (SELECT format('SELECT FROM %I parent WHERE parent.id = %I.%I',
                    replace(attname, '_id', ''), c.relname, attname)
                FROM pg_attribute WHERE attrelid = c.oid AND NOT attisdropped
                    AND attname IN ('device_id', 'gateway_id')
                    -- Unless it says itself what it means: a second factor is a device, too.
                    AND NOT EXISTS (SELECT FROM pg_constraint k
                        WHERE k.conrelid = c.oid AND k.contype = 'f' AND attnum = ANY (k.conkey))
                ORDER BY attname LIMIT 1)
            ) AS through
        FROM pg_class c
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
            -- TimescaleDB neither compresses a hypertable with row-level security nor aggregates it, and its
            -- chunks would be open: these are views below.
            AND c.relname NOT IN ('reading', 'hourly_aggregate')
            AND NOT EXISTS (SELECT FROM pg_policy WHERE polrelid = c.oid AND polname = 'account')
    LOOP
        rule := CASE
            WHEN one.own IS NOT NULL THEN
                format('%I = %s OR %s', one.own, open_account, every_account)
            WHEN one.through IS NOT NULL THEN
                format('%s OR EXISTS (%s AND parent.account_id = %s)', every_account,
                    one.through, open_account)
        END;
        CONTINUE WHEN rule IS NULL;
        EXECUTE format('CREATE POLICY account ON %s USING (%s)', one.relation, rule);
        EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', one.relation);
        -- Before an account is opened: who is it, and which accounts may it open?
        IF one.relname IN ('account', 'membership', 'invitation', 'kiosk_link') THEN
            EXECUTE format('CREATE POLICY identity ON %s FOR SELECT USING (%s IS NULL)',
                one.relation, open_account);
        ELSIF one.relname = 'api_token' THEN
            EXECUTE format('CREATE POLICY identity ON %s USING (%s IS NULL)',
                one.relation, open_account);
        -- A device that moved away: the months and alarms that it left here name it. Its gateway stays unseen.
        -- (Where every account is open, nothing is looked up: this is evaluated before the other policy.)
        ELSIF one.relname = 'device' THEN
            CREATE POLICY history ON device FOR SELECT USING ((SELECT scoped.account() <> 0) AND (
                EXISTS (SELECT FROM monthly_total m WHERE m.device_id = device.id)
                OR EXISTS (SELECT FROM alarm a WHERE a.device_id = device.id)));
        -- And its meters say what its months here are measured in.
        ELSIF one.relname = 'installation' THEN
            CREATE POLICY history ON installation FOR SELECT USING ((SELECT scoped.account() <> 0) AND
                EXISTS (SELECT FROM monthly_total m WHERE m.device_id = installation.device_id));
        END IF;
    END LOOP;
END $$;

-- The same for the two relations that cannot have it, and for every view with an account. No security
-- barriers: these stop who writes SQL of his own, and he could as well open another account.
DO $$
DECLARE
    name text;
BEGIN
    FOR name IN
        SELECT c.relname FROM pg_class c
        WHERE c.relnamespace = 'public'::regnamespace
            AND (c.relkind = 'v' OR c.relname IN ('reading', 'hourly_aggregate'))
            AND c.relname <> 'hourly_bucket'
            AND EXISTS (SELECT FROM pg_attribute WHERE attrelid = c.oid AND attname = 'account_id')
            AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = c.oid AND deptype = 'e')
    LOOP
        EXECUTE format('CREATE OR REPLACE VIEW scoped.%1$I AS SELECT * FROM public.%1$I '
            'WHERE account_id = (SELECT scoped.account()) OR (SELECT scoped.account() = 0) %2$s',
            name, CASE name WHEN 'reading' THEN 'WITH CHECK OPTION' END);
    END LOOP;
END $$;

-- Rights, made anew each time: what is not given here is taken back.
DO $$
DECLARE
    relation record;
    given record;
    rights text;
    -- What the ingest pool does with which table. It reads no users, sessions or tokens.
    ingest constant jsonb := '{
        "account": "SELECT", "gateway": "SELECT, UPDATE (last_seen, is_online)", "device": "SELECT",
        "registry_change": "SELECT", "reading": "SELECT, INSERT", "batch": "SELECT, INSERT",
        "dead_letter": "SELECT, INSERT, UPDATE", "dirty_hour": "SELECT (hour), INSERT",
        "edited_reading": "SELECT", "installation": "SELECT", "stamp_shift": "SELECT", "assignment": "SELECT", "gateway_event": "INSERT"}';
    -- What pages and API never write. Triggers do, with the owner's rights.
    shown constant text[] := ARRAY['batch', 'batch_day', 'ledger_quarter', 'hourly_consumption', 'daily_aggregate',
        'raw_horizon', 'dropped_range', 'frozen_hour', 'dirty_account', 'registry_change',
        'alarm_cursor', 'changed_hour', 'django_migrations'];
    -- What the refresh analyzes (telemetry/store/aggregates/refresh.py).
    analyzed constant text[] := ARRAY['hourly_aggregate', 'hourly_consumption', 'daily_aggregate', 'monthly_total'];
    -- Who may sign in, and who did: no task needs it.
    secret constant text[] := ARRAY['user_session', 'identity', 'api_token', 'django_admin_log'];
BEGIN
    FOR given IN
        SELECT rolname, substr(rolname, 5) AS name FROM pg_roles
        WHERE rolname IN ('tds_ingest', 'tds_maintenance', 'tds_beat', 'tds_web')
    LOOP
        EXECUTE format('GRANT USAGE ON SCHEMA scoped TO %I', given.rolname);
        FOR relation IN
            SELECT c.relname, c.relkind, c.relacl, n.nspname FROM pg_class c
            JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE n.nspname IN ('public', 'scoped') AND c.relkind IN ('r', 'v')
                AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = c.oid AND deptype = 'e')
        LOOP
            rights := CASE given.name
                WHEN 'ingest' THEN
                    CASE relation.nspname WHEN 'public' THEN ingest ->> relation.relname END
                WHEN 'beat' THEN CASE
                    WHEN starts_with(relation.relname, 'django_celery_beat_')
                        THEN 'SELECT, INSERT, UPDATE, DELETE'
                    WHEN relation.relname = 'task_run' THEN 'SELECT, INSERT, UPDATE'
                    WHEN relation.relname = 'django_migrations' THEN 'SELECT' END
                WHEN 'maintenance' THEN CASE
                    WHEN relation.nspname = 'scoped' OR relation.relname = ANY (secret)
                        OR relation.relname ~ '^(axes|otp)_' THEN NULL
                    WHEN relation.relkind = 'v' OR relation.relname = 'django_migrations' THEN 'SELECT'
                    WHEN relation.relname = ANY (analyzed) THEN 'SELECT, INSERT, UPDATE, DELETE, MAINTAIN'
                    ELSE 'SELECT, INSERT, UPDATE, DELETE' END
                WHEN 'web' THEN CASE
                    -- Edits of readings, and the hours that they change.
                    WHEN relation.nspname = 'scoped' AND relation.relname = 'reading'
                        THEN 'SELECT, INSERT, UPDATE (value), DELETE'
                    WHEN relation.relname = 'dirty_hour' THEN 'SELECT, INSERT'
                    -- Only the maintenance pool signs, and an operator opens lots. (A user who is deleted
                    -- has issued and revoked nothing any more.)
                    WHEN relation.relname = 'certificate' THEN
                        'SELECT, UPDATE (revoked_at, revoked_by_id, reason, issued_by_id)'
                    -- What was done stays: of a user who is deleted the name alone.
                    WHEN relation.relname = 'auditlog_logentry' THEN
                        'SELECT, INSERT, UPDATE (actor_id)'
                    WHEN relation.relname = 'lot' THEN 'SELECT, UPDATE (closed_at)'
                    WHEN relation.relname = 'enrolment' THEN 'SELECT, INSERT, UPDATE'
                    WHEN relation.nspname = 'scoped' THEN 'SELECT'
                    WHEN relation.relname = 'reading' OR relation.relname = 'hourly_bucket'
                        OR to_regclass(format('scoped.%I', relation.relname)) IS NOT NULL THEN NULL
                    WHEN relation.relkind = 'v' OR relation.relname = ANY (shown) THEN 'SELECT'
                    ELSE 'SELECT, INSERT, UPDATE, DELETE' END
            END;
            -- TimescaleDB passes rights of a hypertable on to its chunks: not again without need.
            CONTINUE WHEN relation.relname = 'reading' AND rights IS NOT NULL
                AND has_table_privilege(given.rolname, 'public.reading', 'INSERT');
            EXECUTE format('REVOKE ALL ON %I.%I FROM %I',
                relation.nspname, relation.relname, given.rolname);
            IF rights IS NOT NULL THEN
                EXECUTE format('GRANT %s ON %I.%I TO %I',
                    rights, relation.nspname, relation.relname, given.rolname);
            END IF;
        END LOOP;
    END LOOP;
END $$;
