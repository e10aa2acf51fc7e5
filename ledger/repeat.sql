-- name: given
-- An answer that relay gave more than once: more of its rows have a fate than it has.
SELECT base_date, count, settled + repeated AS rows FROM feedfall.request
WHERE feed = %(feed)s AND correlation_id = %(id)s AND settled + repeated > count
