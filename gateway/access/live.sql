-- The live database: who owns what, and the masking that lease views call. Run by `up` as superuser; safe to run again.
DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['live_owner', 'live_reader', 'lease_definer', 'masking_owner', 'session_ender', 'lease_holder',
        'lease_of_service'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN EXECUTE format('CREATE ROLE %I NOLOGIN', name); END IF;
    END LOOP;
END $$;

REVOKE ALL ON DATABASE live FROM PUBLIC;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT CONNECT ON DATABASE live TO live_loader, gateway_live;
GRANT CONNECT ON DATABASE live TO vault_admin WITH GRANT OPTION;
-- A lease's role may connect as a member of this; a right of its own would make all leases wait for one catalogue row.
GRANT CONNECT ON DATABASE live TO lease_holder;
GRANT lease_holder TO vault_admin WITH ADMIN TRUE, INHERIT FALSE, SET FALSE;
-- No right at all: pg_hba.conf can ask the members, leases of services, for a client certificate beside the password.
GRANT lease_of_service TO vault_admin WITH ADMIN TRUE, INHERIT FALSE, SET FALSE;

-- Loading: live_loader makes dataset schemas as live_owner. Reading: live_reader only, through Vault's identities.
GRANT CREATE ON DATABASE live TO live_owner;
GRANT live_owner TO live_loader WITH INHERIT FALSE, SET TRUE;
ALTER DEFAULT PRIVILEGES FOR ROLE live_owner GRANT USAGE ON SCHEMAS TO live_reader;
ALTER DEFAULT PRIVILEGES FOR ROLE live_owner GRANT SELECT ON TABLES TO live_reader;
GRANT live_reader TO lease_definer WITH INHERIT TRUE, SET FALSE;
GRANT live_reader TO vault_admin WITH ADMIN TRUE, INHERIT FALSE, SET FALSE;

-- Leases: gateway_live makes schemas and views as lease_definer, and cannot read a live row under its own name.
GRANT CREATE ON DATABASE live TO lease_definer;
GRANT lease_definer TO gateway_live WITH INHERIT FALSE, SET TRUE;

-- Vault's own identity makes and drops the roles of leases and ends their sessions.
GRANT pg_signal_backend TO vault_admin;
ALTER ROLE vault_admin SET createrole_self_grant = 'inherit, set';

-- What a lease may settle for itself is only less than this; these need a right, which Vault uses when it makes a lease's role.
GRANT SET ON PARAMETER log_duration, temp_file_limit TO vault_admin;

-- Nobody's business here, though every role of PostgreSQL may: large objects, writing to the write-ahead log, locks and snapshots
-- that outlast a statement, other sessions, counters and sizes of tables, and the text of other leases' views.
DO $$
DECLARE found record;
BEGIN
    FOR found IN
        SELECT oid::regprocedure AS name FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace AND (
            proname ~ '^(lo_|pg_stat_get_|pg_stat_statements|pg_advisory|pg_try_advisory)'
            OR proname IN ('loread', 'lowrite', 'pg_logical_emit_message', 'pg_notify', 'pg_export_snapshot', 'pg_lock_status',
                'pg_get_viewdef', 'pg_get_ruledef', 'pg_relation_size', 'pg_table_size', 'pg_indexes_size',
                'pg_total_relation_size', 'pg_database_size', 'pg_prepared_xact', 'pg_get_statisticsobjdef_expressions'))
    LOOP
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', found.name);
    END LOOP;
    FOR found IN
        SELECT oid::regclass AS name FROM pg_class WHERE relnamespace = 'pg_catalog'::regnamespace
            AND (relname ~ '^pg_(stat|statio)_' OR relname IN ('pg_views', 'pg_rules', 'pg_locks', 'pg_prepared_xacts'))
    LOOP
        EXECUTE format('REVOKE SELECT ON %s FROM PUBLIC', found.name);
    END LOOP;
END $$;
REVOKE SELECT ON pg_rewrite, pg_class FROM PUBLIC;
-- pg_class without the sizes that the planner keeps: how many live rows there are is not for a lease whose rows are filtered.
GRANT SELECT (oid, relname, relnamespace, reltype, reloftype, relowner, relam, relfilenode, reltablespace,
    reltoastrelid, relhasindex, relisshared, relpersistence, relkind, relnatts, relchecks, relhasrules, relhastriggers,
    relhassubclass, relrowsecurity, relforcerowsecurity, relispopulated, relreplident, relispartition, relacl, reloptions,
    relpartbound) ON pg_class TO PUBLIC;
GRANT SELECT ON pg_stat_activity, pg_class TO vault_admin;
GRANT EXECUTE ON FUNCTION pg_stat_get_activity(integer) TO vault_admin;

-- Ending sessions, also when Vault does not answer: of one lease, of roles that are gone, and of statements that overrun.
GRANT pg_signal_backend, pg_read_all_stats TO session_ender;
GRANT SELECT ON pg_stat_activity TO session_ender;
GRANT EXECUTE ON FUNCTION pg_stat_get_activity(integer) TO session_ender;
CREATE SCHEMA IF NOT EXISTS sessions AUTHORIZATION session_ender;
REVOKE ALL ON SCHEMA sessions FROM PUBLIC;
GRANT USAGE ON SCHEMA sessions TO lease_definer;

CREATE OR REPLACE FUNCTION sessions.end_of_lease(lease text) RETURNS bigint
    LANGUAGE sql VOLATILE STRICT SECURITY DEFINER SET search_path = pg_catalog AS $$
    WITH left_over AS MATERIALIZED (
        SELECT pid FROM pg_stat_activity
        WHERE datname = current_database() AND backend_type = 'client backend' AND lease ~ '^[0-9a-f]{16}$'
            AND (usename LIKE 'lease-' || lease || '-%' OR usesysid NOT IN (SELECT oid FROM pg_roles))
    )
    SELECT count(pg_terminate_backend(pid)) FROM left_over
$$;
ALTER FUNCTION sessions.end_of_lease(text) OWNER TO session_ender;

-- A session may lift its own statement_timeout (PostgreSQL lets everybody), so it is kept from outside as well.
CREATE OR REPLACE FUNCTION sessions.end_overrunning(statement interval, idle interval) RETURNS SETOF text
    LANGUAGE sql VOLATILE STRICT SECURITY DEFINER SET search_path = pg_catalog AS $$
    -- Found first and ended after: conditions of one WHERE are tried in any order, and one that ends sessions must be the last.
    WITH overrunning AS MATERIALIZED (
        SELECT pid, split_part(usename, '-', 2) AS lease FROM pg_stat_activity
        WHERE datname = current_database() AND backend_type = 'client backend' AND usename LIKE 'lease-%'
            AND ((state = 'active' AND clock_timestamp() - query_start > statement)
                OR (state LIKE 'idle in transaction%' AND clock_timestamp() - state_change > idle))
    )
    SELECT lease FROM overrunning WHERE pg_terminate_backend(pid)
$$;
ALTER FUNCTION sessions.end_overrunning(interval, interval) OWNER TO session_ender;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA sessions FROM PUBLIC;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA sessions TO lease_definer;

CREATE SCHEMA IF NOT EXISTS masking AUTHORIZATION masking_owner;
REVOKE ALL ON SCHEMA masking FROM PUBLIC;
GRANT USAGE ON SCHEMA masking TO lease_definer;

-- The project key of each open lease as the two padded blocks of HMAC (RFC 2104); gone with the lease.
CREATE TABLE IF NOT EXISTS masking.keys (lease text PRIMARY KEY, inner_block bytea NOT NULL, outer_block bytea NOT NULL);
ALTER TABLE masking.keys OWNER TO masking_owner;
REVOKE ALL ON masking.keys FROM PUBLIC;
GRANT INSERT (lease, inner_block, outer_block), SELECT (lease), DELETE ON masking.keys TO lease_definer;

-- The first 16 bytes of HMAC-SHA256(key, kind || 0x00 || value) in hex: what sandbox/treatments/pseudonym.py gives.
-- A lease's role has no right on this schema, so it can read a view that calls this but cannot call it with guesses.
CREATE OR REPLACE FUNCTION masking.pseudonym(lease text, kind text, value text) RETURNS text
    LANGUAGE sql STABLE STRICT PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT encode(substr(sha256(k.outer_block || sha256(
        k.inner_block || convert_to(kind, 'UTF8') || '\x00'::bytea || convert_to(value, 'UTF8'))), 1, 16), 'hex')
    FROM masking.keys k WHERE k.lease = pseudonym.lease
$$;
ALTER FUNCTION masking.pseudonym(text, text, text) OWNER TO masking_owner;

-- Scores of batch runs, by run; which runs are published stands in the control database, and only the gateway asks for them.
CREATE SCHEMA IF NOT EXISTS scores;
CREATE TABLE IF NOT EXISTS scores.results (scoring text, row_id text, score double precision, PRIMARY KEY (scoring, row_id));
REVOKE ALL ON SCHEMA scores FROM PUBLIC;
GRANT USAGE ON SCHEMA scores TO live_loader;
GRANT SELECT, INSERT, DELETE ON scores.results TO live_loader;
