-- name: write
-- In the transaction that writes what it reports.
INSERT INTO feedfall.notice (subject, base_date, body, made_at) VALUES (%(subject)s, %(base_date)s, %(body)s, %(at)s)

-- name: next
-- The oldest that is not delivered, and that no other sweep is delivering now.
SELECT id, subject, base_date, body, made_at FROM feedfall.notice
WHERE delivered_at IS NULL AND given_up_at IS NULL AND id <> ALL(%(tried)s)
ORDER BY made_at, id LIMIT 1 FOR UPDATE SKIP LOCKED

-- name: delivered
-- Its receiver confirmed it.
UPDATE feedfall.notice SET delivered_at = clock_timestamp(), tries = tries + 1, trouble = NULL WHERE id = %(id)s

-- name: failed
-- Not delivered; tried again, or given up.
UPDATE feedfall.notice SET tries = tries + 1, trouble = %(trouble)s,
    given_up_at = CASE WHEN %(give_up)s THEN clock_timestamp() END WHERE id = %(id)s

-- name: undelivered
-- How many still wait.
SELECT count(*) FROM feedfall.notice WHERE delivered_at IS NULL AND given_up_at IS NULL
