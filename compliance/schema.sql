-- The ledger: append-only, hash-chained, gap-evident. Nobody logs in as its owner; the application may hand in and read.
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

-- What writers hand in, in the transaction of what it records: it waits here, with no writer waiting for another, for its place
-- in the order. `pieces` are its canonical JSON, with a unit separator (which JSON cannot hold) for each of the four values that
-- are known only then: the hash of the entry before it, the time it was recorded, its number, and its number of its source.
-- `recorded_at` is null but for entries taken over.
CREATE TABLE IF NOT EXISTS ledger.accepted (
    arrival     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    accepted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    pieces      text NOT NULL CHECK (pieces LIKE E'%\x1f%\x1f%\x1f%\x1f%'),
    id          uuid NOT NULL,
    type        text NOT NULL,
    occurred_at timestamptz NOT NULL,
    recorded_at timestamptz,
    actor       text NOT NULL,
    project     text,
    object_type text NOT NULL,
    object_id   text NOT NULL,
    outcome     text NOT NULL,
    source      text NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
ALTER TABLE ledger.accepted OWNER TO ledger_owner;

-- Gives every accepted entry whose transaction has committed its place at the end, and how many there were. One at a time does
-- it, so numbers have no gap. What a writer could see has arrived before what it wrote, so cause stands before effect. An entry
-- is recorded when it was accepted, or when the one before it was if that is later (a transaction that took longer): time runs
-- backwards only where the clock did. In a transaction that may not write nothing is done.
CREATE OR REPLACE FUNCTION ledger.integrate() RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    one record;
    pieces text[];
    head record;
    last_seq bigint;
    last_hash bytea;
    last_moment timestamptz;
    last_source text;
    number bigint;
    line bytea;
    done bigint := 0;
BEGIN
    IF current_setting('transaction_read_only')::boolean OR NOT EXISTS (SELECT FROM ledger.accepted) THEN RETURN 0; END IF;
    PERFORM pg_advisory_xact_lock(1511069959); -- 0x5A111907
    SELECT e.seq, e.hash, e.recorded_at INTO head FROM ledger.entries e ORDER BY e.seq DESC LIMIT 1;
    last_seq := coalesce(head.seq, 0);
    last_hash := coalesce(head.hash, decode(repeat('0', 64), 'hex'));
    last_moment := coalesce(head.recorded_at, '-infinity');
    FOR one IN WITH taken AS (DELETE FROM ledger.accepted RETURNING *) SELECT * FROM taken ORDER BY arrival LOOP
        IF one.source IS DISTINCT FROM last_source THEN
            SELECT e.source_seq INTO number FROM ledger.entries e WHERE e.source = one.source ORDER BY e.source_seq DESC LIMIT 1;
            last_source := one.source;
        END IF;
        number := coalesce(number, 0) + 1;
        last_seq := last_seq + 1;
        last_moment := coalesce(one.recorded_at, least(greatest(one.accepted_at, last_moment), clock_timestamp()));
        pieces := string_to_array(one.pieces, E'\x1f');
        line := convert_to(concat(
            pieces[1], encode(last_hash, 'hex'), pieces[2], to_char(last_moment AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
            pieces[3], last_seq, pieces[4], number, pieces[5]
        ), 'UTF8');
        last_hash := sha256('\x00'::bytea || line);
        INSERT INTO ledger.entries VALUES (
            last_seq, one.id, one.type, one.occurred_at, last_moment, one.actor, one.project, one.object_type, one.object_id,
            one.outcome, one.source, number, last_hash, line
        );
        done := done + 1;
    END LOOP;
    RETURN done;
END $$;
ALTER FUNCTION ledger.integrate OWNER TO ledger_owner;

-- Waits until every transaction that has handed in an entry has ended; those that come meanwhile wait for that long.
CREATE OR REPLACE FUNCTION ledger.await_writers() RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    LOCK TABLE ledger.accepted IN SHARE MODE;
END $$;
ALTER FUNCTION ledger.await_writers OWNER TO ledger_owner;

REVOKE ALL ON SCHEMA ledger FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA ledger FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA ledger FROM PUBLIC, sallyport_app;
GRANT USAGE ON SCHEMA ledger TO sallyport_app;
GRANT SELECT ON ledger.entries, ledger.accepted TO sallyport_app;
GRANT INSERT (pieces, id, type, occurred_at, recorded_at, actor, project, object_type, object_id, outcome, source)
    ON ledger.accepted TO sallyport_app;
GRANT EXECUTE ON FUNCTION ledger.integrate, ledger.await_writers TO sallyport_app;
