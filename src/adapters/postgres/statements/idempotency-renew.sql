-- Lets an operation be pending for longer, where it is still its holder's; no row where it is not.
-- $1 tenant: text, $2 scope: text, $3 key: text, $4 token: bigint, $5 pending_ms: bigint
with given as (
  select $1::text as tenant, $2::text as scope, $3::text as key, $4::bigint as token,
    clock_timestamp() + $5::bigint * interval '1 millisecond' as stale_at
)
update __schema__.idempotency i
set stale_at = given.stale_at, expires_at = given.stale_at + i.keep
from given
where i.tenant = given.tenant and i.scope = given.scope and i.key = given.key and i.token = given.token
  and i.state = 'pending'
returning i.token::text as token
