-- Begins an operation, or says how it stands. See the function's own words in the migration.
-- $1 tenant: text, $2 scope: text, $3 key: text, $4 request_hash: text, $5 holder: text, $6 pending_ms: bigint,
-- $7 keep_ms: bigint, $8 attempts_max: integer, $9 call_id: uuid
with given as (
  select $1::text as tenant, $2::text as scope, $3::text as key, $4::text as request_hash, $5::text as holder,
    $6::bigint as pending_ms, $7::bigint as keep_ms, $8::integer as attempts_max, $9::uuid as call_id
)
select __schema__.begin_operation(
  tenant, scope, key, request_hash, holder, pending_ms, keep_ms, attempts_max, call_id
)::text as answer
from given
