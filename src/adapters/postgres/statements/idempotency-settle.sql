-- Says how an operation ended. See the function's own words in the migration.
-- $1 tenant: text, $2 scope: text, $3 key: text, $4 token: bigint, $5 state: text, $6 result: json or null, $7 error: text or null
with given as (
  select $1::text as tenant, $2::text as scope, $3::text as key, $4::bigint as token, $5::text as state,
    $6::text::jsonb as result, $7::text as error
)
select to_jsonb(__schema__.settle_operation(tenant, scope, key, token, state, result, error))::text as answer
from given
