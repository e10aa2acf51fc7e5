-- oldest code: 1
-- What was decided about days since a calendar's table was made; and copies of calendars whose home is elsewhere.
CREATE TABLE feedfall.calendar_override (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    calendar     text NOT NULL,
    day          date NOT NULL,
    is_open      boolean NOT NULL,
    reason       text NOT NULL,
    evidence     text NOT NULL,                 -- where it can be read: a gazette, a notice, a decision's number
    who          text NOT NULL,
    at           timestamptz NOT NULL DEFAULT clock_timestamp(),
    withdrawn_at timestamptz                    -- null: it holds. By whom and why is in the journal
);
CREATE UNIQUE INDEX calendar_override_valid ON feedfall.calendar_override (calendar, day) WHERE withdrawn_at IS NULL;

CREATE TABLE feedfall.calendar_copy (
    calendar     text PRIMARY KEY,
    etag         text NOT NULL,
    document     text NOT NULL,                 -- as the calendar service gave it
    confirmed_at timestamptz NOT NULL           -- when the service last said that it still holds
);
