-- What the gateway knows by name. Every row here has its ledger entry, written in the same transaction.
CREATE SCHEMA IF NOT EXISTS catalog;

-- A project's pseudonym key, wrapped by Vault transit; the key itself is never stored.
CREATE TABLE IF NOT EXISTS catalog.projects (
    id          text PRIMARY KEY,
    wrapped_key text NOT NULL,
    created_at  timestamptz NOT NULL
);

CREATE TABLE IF NOT EXISTS catalog.datasets (
    id            text PRIMARY KEY,
    project       text NOT NULL REFERENCES catalog.projects,
    contract      text NOT NULL,
    digest        text NOT NULL,
    registered_by text NOT NULL,
    registered_at timestamptz NOT NULL,
    rows          jsonb NOT NULL DEFAULT '{}',
    loaded_at     timestamptz
);

CREATE TABLE IF NOT EXISTS catalog.snapshots (
    id           text PRIMARY KEY,
    dataset      text NOT NULL REFERENCES catalog.datasets,
    project      text NOT NULL REFERENCES catalog.projects,
    state        text NOT NULL CHECK (state IN ('queued', 'building', 'built', 'refused', 'failed')),
    requested_by text NOT NULL,
    requested_at timestamptz NOT NULL,
    decision_id  text NOT NULL,
    limits       jsonb NOT NULL,
    progress     jsonb NOT NULL DEFAULT '{}',
    digest       text,
    envelope     jsonb,
    code         text,
    detail       text,
    finished_at  timestamptz
);

-- Feature definitions as they were compiled; a version never changes.
CREATE TABLE IF NOT EXISTS catalog.features (
    name          text NOT NULL,
    version       text NOT NULL,
    project       text NOT NULL REFERENCES catalog.projects,
    shared        boolean NOT NULL,
    dataset       text NOT NULL REFERENCES catalog.datasets,
    digest        text NOT NULL,
    definition    jsonb NOT NULL,
    source_digest text NOT NULL,
    published_by  text NOT NULL,
    published_at  timestamptz NOT NULL,
    PRIMARY KEY (name, version)
);

-- 'erased': it held a person who was erased since; its files are gone, what was said of it stays.
ALTER TABLE catalog.snapshots DROP CONSTRAINT IF EXISTS snapshots_state_check;
ALTER TABLE catalog.snapshots ADD CONSTRAINT snapshots_state_check
    CHECK (state IN ('queued', 'building', 'built', 'refused', 'failed', 'erased'));

-- What runs the treatments; the outcome is the same.
ALTER TABLE catalog.snapshots ADD COLUMN IF NOT EXISTS engine text NOT NULL DEFAULT 'local' CHECK (engine IN ('local', 'spark'));

-- Persons taken out of a dataset and its snapshots. Who it was stands nowhere: `person` is a digest keyed by the project's key.
CREATE TABLE IF NOT EXISTS catalog.erasures (
    id          text PRIMARY KEY,
    dataset     text NOT NULL REFERENCES catalog.datasets,
    project     text NOT NULL REFERENCES catalog.projects,
    person      text NOT NULL,
    asked_by    text NOT NULL,
    decision_id text NOT NULL,
    started_at  timestamptz NOT NULL,
    finished_at timestamptz,
    result      jsonb NOT NULL DEFAULT '{}'
);
-- When the rows went: a build that read before it may not stand, whatever becomes of the rest of the erasure.
ALTER TABLE catalog.erasures ADD COLUMN IF NOT EXISTS removed_at timestamptz;

-- Bundles of evidence: asked for, made by a worker.
CREATE TABLE IF NOT EXISTS catalog.exports (
    id           text PRIMARY KEY,
    since        timestamptz NOT NULL,
    until        timestamptz NOT NULL,
    profile      text NOT NULL,
    state        text NOT NULL CHECK (state IN ('queued', 'building', 'ready', 'failed')),
    asker        jsonb NOT NULL,
    decision_id  text NOT NULL,
    requested_at timestamptz NOT NULL,
    progress     jsonb NOT NULL DEFAULT '{}',
    result       jsonb,
    code         text,
    detail       text,
    finished_at  timestamptz
);

-- Accountings of the disclosures of one person, kept as they were given (45 CFR 164.528(d)). Who it was stands nowhere.
CREATE TABLE IF NOT EXISTS catalog.accountings (
    id          text PRIMARY KEY,
    dataset     text NOT NULL REFERENCES catalog.datasets,
    project     text NOT NULL REFERENCES catalog.projects,
    person      text NOT NULL,
    since       timestamptz,
    until       timestamptz,
    asked_by    text NOT NULL,
    decision_id text NOT NULL,
    made_at     timestamptz NOT NULL,
    result      jsonb NOT NULL
);

-- The accounting of one person that the bundle holds as well, and for which reader it is.
ALTER TABLE catalog.exports ADD COLUMN IF NOT EXISTS accounting text REFERENCES catalog.accountings;
ALTER TABLE catalog.exports ADD COLUMN IF NOT EXISTS reader text NOT NULL DEFAULT 'regulator';

-- Each question put to policy, whole, so that it can be decided again under changed policies (replay).
CREATE TABLE IF NOT EXISTS catalog.decisions (
    decision_id   text PRIMARY KEY,
    decided_at    timestamptz NOT NULL,
    subject       text NOT NULL,
    action        text NOT NULL,
    allow         boolean NOT NULL,
    reasons       text[] NOT NULL,
    policy_digest text NOT NULL,
    input         jsonb NOT NULL
);

-- Which policies decided since when.
CREATE TABLE IF NOT EXISTS catalog.policies (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    digest    text NOT NULL,
    engine    text NOT NULL,
    loaded_at timestamptz NOT NULL
);

-- The policies themselves by their digest, so that what was decided under them can be decided again.
CREATE TABLE IF NOT EXISTS catalog.policy_modules (
    digest  text PRIMARY KEY,
    modules jsonb NOT NULL,
    data    jsonb NOT NULL
);

-- Of each change of policies: what decisions of before it turns.
CREATE TABLE IF NOT EXISTS catalog.policy_replays (
    change  bigint PRIMARY KEY REFERENCES catalog.policies,
    result  jsonb NOT NULL,
    made_at timestamptz NOT NULL
);

-- What the timer found in the ledger that somebody should look at: from when, until when, and whether it had to be said again.
CREATE TABLE IF NOT EXISTS catalog.findings (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code         text NOT NULL,
    severity     text NOT NULL,
    entry        bigint NOT NULL,
    raised_at    timestamptz NOT NULL,
    escalated_at timestamptz,
    over_at      timestamptz
);
CREATE UNIQUE INDEX IF NOT EXISTS findings_on ON catalog.findings (code, entry) WHERE over_at IS NULL;

-- Answers already given to a POST with an Idempotency-Key.
CREATE TABLE IF NOT EXISTS catalog.idempotency (
    subject        text NOT NULL,
    key            text NOT NULL,
    request_digest text NOT NULL,
    status         int,
    body           bytea,
    media_type     text,
    created_at     timestamptz NOT NULL,
    PRIMARY KEY (subject, key)
);

-- Legal holds: what they cover is not deleted while they stand. Null covers everything.
CREATE TABLE IF NOT EXISTS catalog.holds (
    id          text PRIMARY KEY,
    reason      text NOT NULL,
    kind        text,
    project     text,
    dataset     text,
    thing       text,
    placed_by   text NOT NULL,
    placed_at   timestamptz NOT NULL,
    decision_id text NOT NULL,
    lifted_by   text,
    lifted_at   timestamptz
);

-- What was deleted when its time was over; the files go once this row stands.
CREATE TABLE IF NOT EXISTS catalog.deletions (
    kind        text NOT NULL,
    id          text NOT NULL,
    deleted_at  timestamptz NOT NULL,
    decision_id text NOT NULL,
    PRIMARY KEY (kind, id)
);

-- Campaigns of access review, and who holds what in each: the question to a steward, and the answer.
CREATE TABLE IF NOT EXISTS catalog.review_campaigns (
    id          text PRIMARY KEY,
    projects    text[] NOT NULL,
    started_by  text NOT NULL,
    started_at  timestamptz NOT NULL,
    due_at      timestamptz NOT NULL,
    decision_id text NOT NULL,
    closed_by   text,
    closed_at   timestamptz,
    envelope    jsonb
);
CREATE TABLE IF NOT EXISTS catalog.review_items (
    id            text PRIMARY KEY,
    campaign      text NOT NULL REFERENCES catalog.review_campaigns,
    grant_id      text NOT NULL,
    holder        text NOT NULL,
    dataset       text NOT NULL,
    project       text NOT NULL,
    facts         jsonb NOT NULL,
    answer        text CHECK (answer IN ('keep', 'revoke')),
    why           text,
    answered_by   text,
    answered_at   timestamptz,
    carried_out   boolean NOT NULL DEFAULT false,
    overdue_noted boolean NOT NULL DEFAULT false,
    UNIQUE (campaign, grant_id)
);

GRANT USAGE ON SCHEMA catalog TO sallyport_app;
GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA catalog TO sallyport_app;
GRANT DELETE ON catalog.idempotency TO sallyport_app;
