-- Door 3. Every change of state here has its ledger entry, written in the same transaction.
CREATE SCHEMA IF NOT EXISTS promotion;

CREATE TABLE IF NOT EXISTS promotion.requests (
    id              text PRIMARY KEY,
    project         text NOT NULL,
    name            text NOT NULL,
    version         int NOT NULL,
    digest          text NOT NULL,
    tier            text NOT NULL,
    author          text NOT NULL,
    run_id          text,
    contract        text NOT NULL,
    contract_digest text NOT NULL,
    state           text NOT NULL,
    submitted_at    timestamptz NOT NULL,
    changed_at      timestamptz NOT NULL,
    UNIQUE (project, name, version)
);

CREATE TABLE IF NOT EXISTS promotion.checks (
    request  text NOT NULL REFERENCES promotion.requests,
    name     text NOT NULL,
    outcome  text NOT NULL,
    digest   text NOT NULL,
    summary  text NOT NULL,
    seconds  double precision NOT NULL,
    envelope jsonb NOT NULL,
    PRIMARY KEY (request, name, digest)
);

CREATE TABLE IF NOT EXISTS promotion.findings (
    request  text NOT NULL REFERENCES promotion.requests,
    id       text NOT NULL,
    severity text NOT NULL,
    detail   text NOT NULL,
    open     boolean NOT NULL DEFAULT true,
    PRIMARY KEY (request, id)
);

-- Which check found it, and who put it to rest, when and why.
ALTER TABLE promotion.findings ADD COLUMN IF NOT EXISTS check_name text NOT NULL DEFAULT '';
ALTER TABLE promotion.findings ADD COLUMN IF NOT EXISTS closed_by text;
-- Who is to see to it, and by which day.
ALTER TABLE promotion.findings ADD COLUMN IF NOT EXISTS owner text NOT NULL DEFAULT '';
ALTER TABLE promotion.findings ADD COLUMN IF NOT EXISTS due date;
ALTER TABLE promotion.findings ADD COLUMN IF NOT EXISTS closed_at timestamptz;
ALTER TABLE promotion.findings ADD COLUMN IF NOT EXISTS closed_why text;

-- Failed checks that somebody accepted for a time. Rows are only added.
CREATE TABLE IF NOT EXISTS promotion.waivers (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    request    text NOT NULL REFERENCES promotion.requests,
    check_name text NOT NULL,
    by         text NOT NULL,
    role       text NOT NULL,
    digest     text NOT NULL,
    why        text NOT NULL,
    at         timestamptz NOT NULL,
    until      timestamptz NOT NULL,
    envelope   jsonb NOT NULL
);

CREATE TABLE IF NOT EXISTS promotion.approvals (
    request  text NOT NULL REFERENCES promotion.requests,
    by       text NOT NULL,
    role     text NOT NULL,
    digest   text NOT NULL,
    at       timestamptz NOT NULL,
    meaning  text NOT NULL,
    envelope jsonb NOT NULL,
    PRIMARY KEY (request, by)
);

-- Signed approvals that were given anew: they count no more, but entries of the ledger rest on them.
CREATE TABLE IF NOT EXISTS promotion.former_approvals (
    request  text NOT NULL REFERENCES promotion.requests,
    envelope jsonb NOT NULL
);

CREATE TABLE IF NOT EXISTS promotion.deployments (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project     text NOT NULL,
    name        text NOT NULL,
    request     text NOT NULL REFERENCES promotion.requests,
    digest      text NOT NULL,
    deployed_by text NOT NULL,
    deployed_at timestamptz NOT NULL,
    decision_id text NOT NULL,
    envelope    jsonb NOT NULL
);

CREATE TABLE IF NOT EXISTS promotion.predictions (
    id          uuid PRIMARY KEY,
    project     text NOT NULL,
    name        text NOT NULL,
    digest      text NOT NULL,
    caller      text NOT NULL,
    at          timestamptz NOT NULL,
    rows        int NOT NULL,
    input_hash  text NOT NULL,
    output      jsonb NOT NULL,
    latency_ms  double precision NOT NULL
);

-- What monitoring reads: how many rows were given a score from one half up, and how many values of each input were missing.
ALTER TABLE promotion.predictions ADD COLUMN IF NOT EXISTS positives int NOT NULL DEFAULT 0;
ALTER TABLE promotion.predictions ADD COLUMN IF NOT EXISTS missing jsonb NOT NULL DEFAULT '{}';
-- Of a model whose contract asks for drift: how many values fell into each bin of its training profile (promotion/drift.py).
ALTER TABLE promotion.predictions ADD COLUMN IF NOT EXISTS bins jsonb NOT NULL DEFAULT '{}';
CREATE INDEX IF NOT EXISTS predictions_by_time ON promotion.predictions (project, name, at);

-- An alert that is on, from when it was raised until it is over.
CREATE TABLE IF NOT EXISTS promotion.alerts (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project   text NOT NULL,
    name      text NOT NULL,
    digest    text NOT NULL,
    metric    text NOT NULL,
    value     double precision NOT NULL,
    above     double precision NOT NULL,
    raised_at timestamptz NOT NULL,
    over_at   timestamptz
);
CREATE UNIQUE INDEX IF NOT EXISTS alerts_on ON promotion.alerts (project, name, digest, metric) WHERE over_at IS NULL;

-- Models that stand beside the champion: who answers a share of the requests, and who only hears them. Rows are only added: the
-- newest of a stage counts, and one without an envelope says that nobody stands there any more.
CREATE TABLE IF NOT EXISTS promotion.stages (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project     text NOT NULL,
    name        text NOT NULL,
    stage       text NOT NULL,
    request     text NOT NULL REFERENCES promotion.requests,
    digest      text NOT NULL,
    share       int NOT NULL,
    set_by      text NOT NULL,
    set_at      timestamptz NOT NULL,
    decision_id text NOT NULL,
    envelope    jsonb
);
ALTER TABLE promotion.predictions ADD COLUMN IF NOT EXISTS stage text NOT NULL DEFAULT 'champion';

-- Requests that wait for their answer, and were answered. What was asked is sealed: `wrapped` is the key, which Vault alone opens.
CREATE TABLE IF NOT EXISTS promotion.queued (
    id          text PRIMARY KEY,
    project     text NOT NULL,
    name        text NOT NULL,
    caller      text NOT NULL,
    asker       jsonb NOT NULL,
    sealed      bytea NOT NULL,
    wrapped     text NOT NULL,
    queued_at   timestamptz NOT NULL,
    replay_of   text REFERENCES promotion.queued,
    state       text NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'answered', 'failed')),
    ended_at    timestamptz,
    digest      text,
    answer      jsonb,
    problem     jsonb
);
CREATE INDEX IF NOT EXISTS queued_waiting ON promotion.queued (queued_at) WHERE state = 'queued';

-- Batch runs: all live rows of a model's features scored, and published only when the run is sane. The scores stand in the live
-- database, under the run's id. `since_days`: rows of the last days only.
CREATE TABLE IF NOT EXISTS promotion.scorings (
    id           text PRIMARY KEY,
    project      text NOT NULL,
    name         text NOT NULL,
    asker        jsonb NOT NULL,
    since_days   int,
    requested_at timestamptz NOT NULL,
    state        text NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'published', 'held', 'failed')),
    ended_at     timestamptz,
    digest       text,
    rows         bigint,
    problems     jsonb NOT NULL DEFAULT '[]',
    kept         boolean NOT NULL DEFAULT true
);

-- Which models are scored each day at which time (UTC), and as whom.
CREATE TABLE IF NOT EXISTS promotion.schedules (
    project    text NOT NULL,
    name       text NOT NULL,
    at         time NOT NULL,
    since_days int,
    asker      jsonb NOT NULL,
    set_at     timestamptz NOT NULL,
    PRIMARY KEY (project, name)
);

-- MLflow's alias of each model in production, as it was set last; `done` once MLflow has it.
CREATE TABLE IF NOT EXISTS promotion.aliases (
    project text NOT NULL,
    name    text NOT NULL,
    version text NOT NULL,
    digest  text NOT NULL,
    set_at  timestamptz NOT NULL,
    done    boolean NOT NULL,
    PRIMARY KEY (project, name)
);

GRANT USAGE ON SCHEMA promotion TO sallyport_app;
GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA promotion TO sallyport_app;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA promotion TO sallyport_app;
GRANT DELETE ON promotion.schedules TO sallyport_app;
GRANT DELETE ON promotion.predictions, promotion.queued TO sallyport_app; -- when their time is over (gateway/keeping.py)
