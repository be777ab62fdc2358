-- Takes the first messages of keys of a partition. See the function's own words in the migration.
-- $1 queue, $2 part: integer, $3 parts: integer, $4 count_max: integer, $5 except: a json array, $6 lease or null, $7 token or null
with given as (
  select $1::text as queue, $2::integer as part, $3::integer as parts, $4::integer as count_max,
    $5::text::jsonb as except_keys, $6::text as lease, $7::bigint as token
)
select __schema__.take_messages(queue, part, parts, count_max, except_keys, lease, token)::text as answer
from given
