-- The live database: who owns what, and the masking that lease views call. Run by `up` as superuser; safe to run again.
DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['live_owner', 'live_reader', 'lease_definer', 'masking_owner'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN EXECUTE format('CREATE ROLE %I NOLOGIN', name); END IF;
    END LOOP;
END $$;

REVOKE ALL ON DATABASE live FROM PUBLIC;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT CONNECT ON DATABASE live TO live_loader, gateway_live;
GRANT CONNECT ON DATABASE live TO vault_admin WITH GRANT OPTION;

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

-- Large objects and server-side files are nobody's business here.
REVOKE EXECUTE ON FUNCTION lo_creat(integer), lo_create(oid), lo_open(oid, integer), lo_from_bytea(oid, bytea),
    lo_put(oid, bigint, bytea), lo_get(oid), lo_get(oid, bigint, integer), lo_unlink(oid) FROM PUBLIC;

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
