-- Door 2. Every change of state here has its ledger entry, written in the same transaction.
CREATE SCHEMA IF NOT EXISTS access;

CREATE TABLE IF NOT EXISTS access.requests (
    id         text PRIMARY KEY,
    subject    text NOT NULL,
    asker      jsonb NOT NULL,
    dataset    text NOT NULL,
    project    text NOT NULL,
    columns    text[] NOT NULL,
    purpose    text NOT NULL,
    hours      double precision NOT NULL,
    why        text NOT NULL,
    state      text NOT NULL,
    created_at timestamptz NOT NULL,
    not_before timestamptz,
    expires    timestamptz
);

CREATE TABLE IF NOT EXISTS access.approvals (
    request text NOT NULL REFERENCES access.requests,
    by      text NOT NULL,
    role    text NOT NULL,
    at      timestamptz NOT NULL,
    PRIMARY KEY (request, by, role)
);

CREATE TABLE IF NOT EXISTS access.leases (
    id          text PRIMARY KEY,
    request     text NOT NULL REFERENCES access.requests,
    subject     text NOT NULL,
    dataset     text NOT NULL,
    project     text NOT NULL,
    state       text NOT NULL CHECK (state IN ('opening', 'open', 'ended', 'failed')),
    decision_id text NOT NULL,
    obligations jsonb NOT NULL,
    opened_at   timestamptz NOT NULL,
    expires     timestamptz NOT NULL,
    ended_at    timestamptz
);

-- Break-glass: who read live data in an incident without a grant, and what the review that must follow found.
CREATE TABLE IF NOT EXISTS access.break_glass (
    id            text PRIMARY KEY,
    subject       text NOT NULL,
    dataset       text NOT NULL,
    project       text NOT NULL,
    columns       text[] NOT NULL,
    justification text NOT NULL,
    incident      text NOT NULL,
    at            timestamptz NOT NULL,
    review_due    timestamptz NOT NULL,
    overdue_noted boolean NOT NULL DEFAULT false,
    reviewed_by   text,
    reviewed_at   timestamptz,
    outcome       text CHECK (outcome IN ('justified', 'not-justified')),
    note          text
);

-- What a lease stands on: a grant (`request`), a break-glass or a deployed promotion (`basis_id`), and who asked as they were then.
ALTER TABLE access.leases ALTER COLUMN request DROP NOT NULL,
    ADD COLUMN IF NOT EXISTS basis text NOT NULL DEFAULT 'grant' CHECK (basis IN ('grant', 'break-glass', 'promotion')),
    ADD COLUMN IF NOT EXISTS basis_id text,
    ADD COLUMN IF NOT EXISTS asker jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN IF NOT EXISTS columns text[] NOT NULL DEFAULT '{}',
    ADD COLUMN IF NOT EXISTS purpose text,
    DROP CONSTRAINT IF EXISTS leases_state_check,
    ADD CONSTRAINT leases_state_check CHECK (state IN ('opening', 'open', 'ending', 'ended', 'failed'));
CREATE INDEX IF NOT EXISTS leases_standing ON access.leases (state) WHERE state IN ('opening', 'open', 'ending');

-- How far the server's statement log has been taken into the ledger; moved on in the transaction of the entries.
CREATE TABLE IF NOT EXISTS access.statement_log (
    file     text PRIMARY KEY,
    position bigint NOT NULL,
    read_at  timestamptz NOT NULL
);

-- Statements of a minute beyond those that get an entry each, until the minute is over.
CREATE TABLE IF NOT EXISTS access.statement_sums (
    lease        text NOT NULL,
    minute       timestamptz NOT NULL,
    fingerprint  text NOT NULL,
    command      text NOT NULL,
    sqlstate     text NOT NULL,
    runs         bigint NOT NULL,
    milliseconds double precision NOT NULL,
    rows         bigint NOT NULL,
    PRIMARY KEY (lease, minute, fingerprint, command, sqlstate)
);

-- How often each statement of a lease ran and how many rows it gave, where the server counts; never a statement's text.
DO $$ BEGIN
    IF current_setting('shared_preload_libraries', true) LIKE '%pg_stat_statements%' THEN
        CREATE SCHEMA IF NOT EXISTS statement_statistics;
        REVOKE ALL ON SCHEMA statement_statistics FROM PUBLIC;
        CREATE EXTENSION IF NOT EXISTS pg_stat_statements SCHEMA statement_statistics;
        CREATE OR REPLACE FUNCTION access.statement_counts()
            RETURNS TABLE (rolname name, queryid bigint, calls bigint, rows bigint)
            LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog BEGIN ATOMIC
            SELECT r.rolname, s.queryid, sum(s.calls)::bigint, sum(s.rows)::bigint
            FROM statement_statistics.pg_stat_statements(false) AS s JOIN pg_catalog.pg_roles AS r ON r.oid = s.userid
            WHERE r.rolname LIKE 'lease-%' GROUP BY 1, 2;
        END;
        REVOKE ALL ON FUNCTION access.statement_counts() FROM PUBLIC;
        GRANT EXECUTE ON FUNCTION access.statement_counts() TO sallyport_app;
    END IF;
END $$;

GRANT USAGE ON SCHEMA access TO sallyport_app;
GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA access TO sallyport_app;
GRANT DELETE ON access.statement_log, access.statement_sums TO sallyport_app;
