-- Takes a lease on a scope. See the function's own words in the migration.
-- $1 name: text, $2 holder: text, $3 ttl_ms: integer
with given as (
  select $1::text as name, $2::text as holder, $3::integer as ttl_ms
)
select __schema__.acquire_scope(name, holder, ttl_ms)::text as answer
from given
