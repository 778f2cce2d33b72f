-- The ledger as the release before version 2 made it.
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'ledger_owner') THEN CREATE ROLE ledger_owner NOLOGIN; END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'sallyport_app') THEN CREATE ROLE sallyport_app NOLOGIN; END IF;
END $$;

CREATE SCHEMA IF NOT EXISTS ledger;
ALTER SCHEMA ledger OWNER TO ledger_owner;

-- `canonical` is the exact byte string that was hashed (RFC 8785); `hash` is its RFC 9162 leaf hash.
CREATE TABLE IF NOT EXISTS ledger.entries (
    seq         bigint PRIMARY KEY,
    id          uuid NOT NULL UNIQUE,
    type        text NOT NULL,
    occurred_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    actor       text NOT NULL,
    project     text,
    object_type text NOT NULL,
    object_id   text NOT NULL,
    outcome     text NOT NULL,
    source      text NOT NULL,
    source_seq  bigint NOT NULL,
    hash        bytea NOT NULL CHECK (length(hash) = 32),
    canonical   bytea NOT NULL,
    UNIQUE (source, source_seq)
);
CREATE INDEX IF NOT EXISTS entries_by_time ON ledger.entries (occurred_at);
CREATE INDEX IF NOT EXISTS entries_by_recording ON ledger.entries USING brin (recorded_at);
CREATE INDEX IF NOT EXISTS entries_by_object ON ledger.entries (object_type, object_id);
CREATE INDEX IF NOT EXISTS entries_by_actor ON ledger.entries (actor);
ALTER TABLE ledger.entries OWNER TO ledger_owner;

-- Even a role that was granted too much by mistake cannot change what was written.
CREATE OR REPLACE FUNCTION ledger.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the ledger is append-only' USING ERRCODE = 'insufficient_privilege';
END $$;
ALTER FUNCTION ledger.refuse_change() OWNER TO ledger_owner;
CREATE OR REPLACE TRIGGER entries_are_final BEFORE UPDATE OR DELETE ON ledger.entries
    FOR EACH ROW EXECUTE FUNCTION ledger.refuse_change();
CREATE OR REPLACE TRIGGER entries_stay BEFORE TRUNCATE ON ledger.entries
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();

-- Puts an entry at the end. `pieces` are its canonical JSON around the four values that are known only here: the hash of
-- the entry before it, the time (`recorded`, else this server's clock), its number, and its number of its source. Writers
-- take turns on one lock that their transactions hold to the end, so numbers have no gap and time does not run backwards.
CREATE OR REPLACE FUNCTION ledger.append(
    pieces bytea[], id uuid, type text, occurred timestamptz, recorded timestamptz, actor text, project text,
    object_type text, object_id text, outcome text, source text,
    OUT new_seq bigint, OUT new_hash bytea
) LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    before record;
    moment timestamptz;
    number bigint;
    canonical bytea;
BEGIN
    PERFORM pg_advisory_xact_lock(1511069959); -- 0x5A111907
    SELECT e.seq, e.hash INTO before FROM ledger.entries e ORDER BY e.seq DESC LIMIT 1;
    SELECT e.source_seq INTO number FROM ledger.entries e WHERE e.source = append.source ORDER BY e.source_seq DESC LIMIT 1;
    new_seq := coalesce(before.seq, 0) + 1;
    number := coalesce(number, 0) + 1;
    moment := coalesce(recorded, clock_timestamp());
    canonical := pieces[1] || encode(coalesce(before.hash, decode(repeat('0', 64), 'hex')), 'hex')::bytea
        || pieces[2] || to_char(moment AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')::bytea
        || pieces[3] || new_seq::text::bytea || pieces[4] || number::text::bytea || pieces[5];
    new_hash := sha256('\x00'::bytea || canonical);
    INSERT INTO ledger.entries VALUES (
        new_seq, id, type, occurred, moment, actor, project, object_type, object_id, outcome, source, number, new_hash, canonical
    );
END $$;
ALTER FUNCTION ledger.append OWNER TO ledger_owner;

REVOKE ALL ON SCHEMA ledger FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA ledger FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA ledger FROM PUBLIC, sallyport_app;
GRANT USAGE ON SCHEMA ledger TO sallyport_app;
GRANT SELECT, INSERT ON ledger.entries TO sallyport_app;
GRANT EXECUTE ON FUNCTION ledger.append TO sallyport_app;
