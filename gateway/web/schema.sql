-- Sessions of people's browsers. The cookie is the key: neither it nor the tokens can be read from here.
CREATE SCHEMA IF NOT EXISTS web;

CREATE TABLE IF NOT EXISTS web.sessions (
    id        bytea PRIMARY KEY,
    token     bytea NOT NULL,
    opened_at timestamptz NOT NULL
);

-- By which name a session is listed and ended, whose it is, and how they logged in. One of before that is nobody's ends.
ALTER TABLE web.sessions ADD COLUMN IF NOT EXISTS name text UNIQUE, ADD COLUMN IF NOT EXISTS subject text,
    ADD COLUMN IF NOT EXISTS how text NOT NULL DEFAULT 'password';
DELETE FROM web.sessions WHERE subject IS NULL OR name IS NULL;

-- Logins that were begun at an identity provider and not finished yet; what is needed to finish one is sealed with its cookie.
CREATE TABLE IF NOT EXISTS web.logins (
    id       bytea PRIMARY KEY,
    sealed   bytea NOT NULL,
    begun_at timestamptz NOT NULL
);

-- Tokens of a subject that were issued up to this moment count no more.
CREATE TABLE IF NOT EXISTS web.endings (
    subject text PRIMARY KEY,
    at      timestamptz NOT NULL
);

GRANT USAGE ON SCHEMA web TO sallyport_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON web.sessions TO sallyport_app;
GRANT SELECT, INSERT, DELETE ON web.logins TO sallyport_app;
GRANT SELECT, INSERT, UPDATE ON web.endings TO sallyport_app;
