-- Frees a lease that is still the holder's; its token stays used up.
-- $1 name: text, $2 token: bigint
with given as (
  select $1::text as name, $2::bigint as token
)
update __schema__.leases l
set expires_at = '-infinity'
from given
where l.name = given.name and l.token = given.token
returning l.token::text as token
