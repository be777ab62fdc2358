-- Forgets an operation; whether it was known.
-- $1 tenant: text, $2 scope: text, $3 key: text
with given as (
  select $1::text as tenant, $2::text as scope, $3::text as key
),
forgotten as (
  delete from __schema__.idempotency i
  using given
  where i.tenant = given.tenant and i.scope = given.scope and i.key = given.key
  returning i.expires_at
)
select to_jsonb(count(*) filter (where expires_at > clock_timestamp()) > 0)::text as answer
from forgotten
