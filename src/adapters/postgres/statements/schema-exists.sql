-- Whether a schema is there.
-- $1 schema
with given as (
  select $1::text as schema
)
select count(*)::text as found
from given
join pg_catalog.pg_namespace n on n.nspname = given.schema
