-- Schema 2: checkpoints, from which a start verifies and, if need be, makes `current` again; archives, which hold the oldest
-- records; an index of what is rare.

CREATE TABLE checkpoints (
    seq   INTEGER PRIMARY KEY,  -- the record after which it was made
    chain BLOB NOT NULL,        -- that record's chain
    state BLOB NOT NULL,        -- that record's state
    rows  BLOB NOT NULL,        -- all of `current` then: deflated JSON, a list of [tbl, key, value, seq]
    crc   INTEGER NOT NULL      -- CRC-32 of everything above
) STRICT;

CREATE TABLE archives (
    last_seq  INTEGER PRIMARY KEY,
    first_seq INTEGER NOT NULL,
    file      TEXT NOT NULL,    -- name of a file beside the journal
    run       INTEGER NOT NULL, -- the highest run in it: what it began is recorded and over
    last_at   TEXT NOT NULL,    -- the moment of its last record
    chain     BLOB NOT NULL,    -- its last record's chain: the journal's first record continues it
    state     BLOB NOT NULL,    -- its last record's state
    crc       INTEGER NOT NULL  -- CRC-32 of everything above
) STRICT;

-- a record leaves the journal only when an archive holds it
DROP TRIGGER events_are_never_deleted;
CREATE TRIGGER events_are_never_deleted BEFORE DELETE ON events
WHEN OLD.seq > coalesce((SELECT max(last_seq) FROM archives), 0) BEGIN
    SELECT RAISE(ABORT, 'the journal is append-only');
END;

-- what is rare (rounds of reconciliation, what others did, runs) without reading everything
CREATE INDEX rare_events ON events (seq, type) WHERE type NOT IN
    ('IntentRecorded', 'OrderSubmitted', 'OrderPlaced', 'OrderPartiallyFilled', 'OrderFilled', 'OrderCancelRequested',
     'OrderCancelled', 'OrderArchived', 'PositionOpened', 'PositionUpdated', 'PositionClosed', 'PositionBookSettled',
     'BalanceUpdated', 'RiskDayUpdated', 'TradesCursorMoved');
