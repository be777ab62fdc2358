-- Notes a failed attempt. See the function's own words in the migration.
-- $1 tenant, $2 queue, $3 id, $4 error, $5 retry_ms: bigint or null (park), $6 lease or null, $7 token or null
with given as (
  select $1::text as tenant, $2::text as queue, $3::text as id, $4::text as error, $5::bigint as retry_ms,
    $6::text as lease, $7::bigint as token
)
select __schema__.fail_message(tenant, queue, id, error, retry_ms, lease, token)::text as answer
from given
