-- name: role
-- Who this session is, whether it may do more than any duty needs, whether it may make temporary tables; server, clock.
SELECT current_user, (SELECT rolsuper FROM pg_roles WHERE rolname = current_user),
    pg_has_role((SELECT nspowner FROM pg_namespace WHERE nspname = 'feedfall'), 'USAGE'),
    has_database_privilege(current_database(), 'TEMPORARY'), current_setting('server_version')

-- name: missing
-- Which of these rights this session does not have; a column '' is the whole table.
SELECT privilege, place, name
FROM unnest(%(privileges)s::text[], %(places)s::text[], %(names)s::text[]) AS wanted (privilege, place, name)
WHERE NOT CASE WHEN name = '' THEN has_table_privilege(to_regclass(place)::oid, privilege)
    ELSE has_column_privilege(to_regclass(place)::oid, name, privilege) END

-- name: clock
-- What time it is here.
SELECT clock_timestamp()
