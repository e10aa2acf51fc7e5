-- oldest code: 1
ALTER TABLE feedfall.calendar_copy ADD COLUMN of_the_next_release text;
