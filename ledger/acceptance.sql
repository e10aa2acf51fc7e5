-- name: write
-- Accepted, or taken back: a line more, never one less.
INSERT INTO feedfall.acceptance (feed, base_date, accepted, who, signed_in, reason, approval, ticket)
VALUES (%(feed)s, %(base_date)s, %(accepted)s, %(who)s, %(signed_in)s, %(reason)s, %(approval)s, %(ticket)s)

-- name: in_force
-- Which of these base dates count as done without their rows: the newest line decides.
SELECT base_date, who, reason, approval, ticket, at FROM (
    SELECT DISTINCT ON (base_date) * FROM feedfall.acceptance
    WHERE feed = %(feed)s AND base_date = ANY(%(days)s) ORDER BY base_date, id DESC) AS newest
WHERE accepted ORDER BY base_date

-- name: reopen
-- An absence that was reported is open again.
UPDATE feedfall.absence SET closed_at = NULL WHERE subject = %(feed)s AND base_date = %(base_date)s
