-- oldest code: 1
ALTER TABLE feedfall.quarantine ADD COLUMN of_the_next_release text;
