-- name: newest
-- The newest ids: where one has gone back, the database was restored, and counting begins anew.
SELECT coalesce((SELECT max(id) FROM feedfall.run), 0), coalesce((SELECT max(id) FROM feedfall.span), 0),
    coalesce((SELECT max(id) FROM feedfall.journal), 0)

-- name: runs
-- Runs that have ended, of those beyond `after`. `over`: up to the edge nothing changes any more, so it is read once.
-- The edge is an id that was seen: a lower one than the newest may belong to a transaction that commits later.
WITH fresh AS MATERIALIZED (
    SELECT id, feed, stage, status, started_at, extract(epoch FROM ended_at - started_at)::float AS seconds
    FROM feedfall.run WHERE id > %(after)s
), open AS (
    SELECT min(id) AS first FROM fresh WHERE started_at > clock_timestamp() - interval '10 min'
        OR (status = 'RUNNING' AND started_at > clock_timestamp() - interval '2 days')
), edge AS (
    SELECT coalesce(max(id), %(after)s) AS at FROM fresh CROSS JOIN open WHERE coalesce(id < first, true)
)
SELECT feed, stage, nullif(status, 'RUNNING') AS status, width_bucket(seconds, %(bounds)s::float[]) AS bucket, id <= edge.at AS over, edge.at AS edge,
    count(*), coalesce(sum(seconds), 0)
FROM fresh CROSS JOIN edge GROUP BY 1, 2, 3, 4, 5, 6

-- name: rows
-- Rows of spans beyond `after`, by fate.
WITH fresh AS MATERIALIZED (SELECT * FROM feedfall.span WHERE id > %(after)s), open AS (
    SELECT min(id) AS first FROM fresh WHERE settled_at > clock_timestamp() - interval '10 min'
), edge AS (
    SELECT coalesce(max(id), %(after)s) AS at FROM fresh CROSS JOIN open WHERE coalesce(id < first, true)
)
SELECT source.feed, fresh.id <= edge.at AS over, edge.at AS edge, sum(loaded)::bigint, sum(superseded)::bigint,
    sum(duplicate)::bigint, sum(quarantined)::bigint, sum(deferred)::bigint
FROM fresh CROSS JOIN edge JOIN feedfall.source ON source.id = fresh.source GROUP BY 1, 2, 3

-- name: acts
-- Lines of the journal beyond `after`, by verb and phase, and when the newest with a ticket was written: break-glass.
WITH fresh AS MATERIALIZED (SELECT id, verb, at, phase, ticket FROM feedfall.journal WHERE id > %(after)s), open AS (
    SELECT min(id) AS first FROM fresh WHERE at > clock_timestamp() - interval '10 min'
), edge AS (
    SELECT coalesce(max(id), %(after)s) AS at FROM fresh CROSS JOIN open WHERE coalesce(id < first, true)
)
SELECT verb, coalesce(phase, 'recorded'), id <= edge.at AS over, edge.at AS edge, count(*),
    max(fresh.at) FILTER (WHERE ticket IS NOT NULL)
FROM fresh CROSS JOIN edge GROUP BY 1, 2, 3, 4

-- name: approvals
-- Acts that wait for a second person.
SELECT count(*) FROM feedfall.approval WHERE decision IS NULL AND expires_at > clock_timestamp()
