-- One operation with what it came to; no row where it is not known.
-- $1 tenant: text, $2 scope: text, $3 key: text
with given as (
  select $1::text as tenant, $2::text as scope, $3::text as key, clock_timestamp() as moment
)
select __schema__.operation_as_json(i, given.moment)::text as entry, i.result::text as result
from given
join __schema__.idempotency i on i.tenant = given.tenant and i.scope = given.scope and i.key = given.key
where i.expires_at > given.moment
