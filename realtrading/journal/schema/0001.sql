-- Schema 1 of the journal. `events` is the truth, append-only and chained; `current` is its fold, kept in the same transaction.
-- A landed schema file is never edited: a change is a new numbered file.

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,   -- mode, account_uid (absent until bound), created
    value TEXT NOT NULL,
    crc   INTEGER NOT NULL    -- CRC-32 of key and value
) STRICT, WITHOUT ROWID;

CREATE TABLE runs (
    run           INTEGER PRIMARY KEY,
    started       TEXT NOT NULL,   -- UTC, ISO 8601
    code_version  TEXT NOT NULL,
    config_digest TEXT NOT NULL,
    stopped       TEXT,            -- NULL: it runs, or it died
    crc           INTEGER NOT NULL -- CRC-32 of everything above
) STRICT;

CREATE TABLE events (
    seq        INTEGER PRIMARY KEY,   -- 1, 2, 3 … without gaps
    run        INTEGER NOT NULL,
    letter_seq INTEGER NOT NULL,      -- the letter that brought it, unique within the run
    cause      INTEGER,               -- the letter whose handling produced that letter; NULL: from outside
    sender     TEXT NOT NULL,
    type       TEXT NOT NULL,
    at         TEXT NOT NULL,         -- UTC, ISO 8601
    order_id   TEXT,                  -- client id of the order it is about
    payload    TEXT NOT NULL,         -- JSON: {"type", "value", "version"}
    state      BLOB NOT NULL,         -- digest of all of `current` after this record
    crc        INTEGER NOT NULL,      -- CRC-32 of everything above
    chain      BLOB NOT NULL          -- SHA-256 of (previous record's chain, everything above but crc)
) STRICT;

-- an intent is recorded once, ever
CREATE UNIQUE INDEX intents ON events (order_id) WHERE type = 'IntentRecorded';
-- the life of one order without reading everything
CREATE INDEX events_of_order ON events (order_id) WHERE order_id IS NOT NULL;

CREATE TRIGGER events_are_never_changed BEFORE UPDATE ON events BEGIN
    SELECT RAISE(ABORT, 'the journal is append-only');
END;
CREATE TRIGGER events_are_never_deleted BEFORE DELETE ON events BEGIN
    SELECT RAISE(ABORT, 'the journal is append-only');
END;

CREATE TABLE current (
    tbl   TEXT NOT NULL,
    key   TEXT NOT NULL,
    value TEXT NOT NULL,      -- JSON: {"type", "value", "version"}
    seq   INTEGER NOT NULL,   -- the record that said so
    crc   INTEGER NOT NULL,   -- CRC-32 of everything above
    PRIMARY KEY (tbl, key)
) STRICT, WITHOUT ROWID;
