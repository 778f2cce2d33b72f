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

GRANT USAGE ON SCHEMA access TO sallyport_app;
GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA access TO sallyport_app;
