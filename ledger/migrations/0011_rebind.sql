-- oldest code: 1
-- A source whose topic was moved, renamed or mirrored goes on as another source. To older code it is a topic made anew.
ALTER TABLE feedfall.gap ADD moved_to int REFERENCES feedfall.source;
