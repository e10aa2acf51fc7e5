-- oldest code: 1
-- What Kafka lost before it was read, and a person accepted as lost. Expand only: to code 1 it is a span of absent offsets.
CREATE TABLE feedfall.gap (
    source      int NOT NULL REFERENCES feedfall.source,
    from_offset bigint NOT NULL,
    to_offset   bigint,                         -- null: the topic was made anew, and nobody knows how far the old one went
    run         bigint NOT NULL REFERENCES feedfall.run,
    who         text NOT NULL,
    reason      text NOT NULL,
    at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (source, from_offset),
    CHECK (to_offset > from_offset)
);

ALTER TABLE feedfall.source ADD closed_at timestamptz; -- its topic was made anew: another source is read in its place
