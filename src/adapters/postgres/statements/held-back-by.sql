-- The open transaction that holds the global order back: the oldest that has an id, in any database of the cluster.
-- Roles that may not look into other sessions see less of it, or nothing.
-- no parameters
select a.pid::text as pid, a.application_name as application_name,
  (extract(epoch from clock_timestamp() - a.xact_start) * 1000)::bigint::text as age_ms
from pg_catalog.pg_stat_activity a
where a.backend_xid is not null and a.pid <> pg_backend_pid()
order by age(a.backend_xid) desc
limit 1
