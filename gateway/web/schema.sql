-- Sessions of people's browsers. The cookie is the key: neither it nor the token can be read from here.
CREATE SCHEMA IF NOT EXISTS web;

CREATE TABLE IF NOT EXISTS web.sessions (
    id        bytea PRIMARY KEY,
    token     bytea NOT NULL,
    opened_at timestamptz NOT NULL
);

GRANT USAGE ON SCHEMA web TO sallyport_app;
GRANT SELECT, INSERT, DELETE ON web.sessions TO sallyport_app;
