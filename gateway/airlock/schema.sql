-- What asks to leave or to come in, and what did. Every change of state here has its ledger entry, written in the same transaction.
CREATE SCHEMA IF NOT EXISTS airlock;

CREATE TABLE IF NOT EXISTS airlock.requests (
    id           text PRIMARY KEY,
    project      text NOT NULL,
    author       text NOT NULL,
    why          text NOT NULL,
    state        text NOT NULL,
    digest       text NOT NULL,
    tables       jsonb NOT NULL DEFAULT '{}',
    round        int NOT NULL DEFAULT 1,
    submitted_at timestamptz NOT NULL,
    changed_at   timestamptz NOT NULL
);
ALTER TABLE airlock.requests ADD COLUMN IF NOT EXISTS direction text NOT NULL DEFAULT 'out' CHECK (direction IN ('out', 'in'));
CREATE INDEX IF NOT EXISTS requests_by_project ON airlock.requests (project, submitted_at);

-- Each version of each file; the one with `replaced_at` null counts. The bytes stand in a folder, named by the digest.
CREATE TABLE IF NOT EXISTS airlock.files (
    request     text NOT NULL REFERENCES airlock.requests,
    path        text NOT NULL,
    digest      text NOT NULL,
    bytes       bigint NOT NULL,
    added_at    timestamptz NOT NULL,
    replaced_at timestamptz
);
CREATE UNIQUE INDEX IF NOT EXISTS files_now ON airlock.files (request, path) WHERE replaced_at IS NULL;

CREATE TABLE IF NOT EXISTS airlock.findings (
    request  text NOT NULL REFERENCES airlock.requests,
    id       text NOT NULL,
    code     text NOT NULL,
    weight   text NOT NULL CHECK (weight IN ('stop', 'judge', 'note')),
    file     text NOT NULL,
    place    text NOT NULL,
    sentence text NOT NULL,
    round    int NOT NULL,
    PRIMARY KEY (request, round, id)
);

-- One vote of one person on exactly one file's bytes; `void` once the file was changed.
CREATE TABLE IF NOT EXISTS airlock.votes (
    request text NOT NULL REFERENCES airlock.requests,
    path    text NOT NULL,
    digest  text NOT NULL,
    by      text NOT NULL,
    role    text NOT NULL,
    approve boolean NOT NULL,
    why     text NOT NULL,
    accepts text[] NOT NULL,
    at      timestamptz NOT NULL,
    void    boolean NOT NULL DEFAULT false,
    PRIMARY KEY (request, path, digest, by)
);

-- The cumulative disclosure ledger: every cell of every table that asked to leave, by its group.
CREATE TABLE IF NOT EXISTS airlock.cells (
    request text NOT NULL REFERENCES airlock.requests,
    round   int NOT NULL,
    project text NOT NULL,
    source  text NOT NULL,
    cell    jsonb NOT NULL,
    n       bigint NOT NULL
);
CREATE INDEX IF NOT EXISTS cells_by_project ON airlock.cells (project, request, round);

GRANT USAGE ON SCHEMA airlock TO sallyport_app;
GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA airlock TO sallyport_app;
