-- Moves the end of a lease that is still the holder's; no row where it is not.
-- $1 name: text, $2 token: bigint, $3 ttl_ms: integer
with given as (
  select $1::text as name, $2::bigint as token, $3::integer as ttl_ms
)
update __schema__.leases l
set expires_at = clock_timestamp() + given.ttl_ms * interval '1 millisecond'
from given
where l.name = given.name and l.token = given.token and l.expires_at > '-infinity'
returning l.token::text as token
