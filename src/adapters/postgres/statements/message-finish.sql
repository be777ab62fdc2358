-- Takes messages out of their lines for good. See the function's own words in the migration.
-- $1 messages: a json array, $2 only_state or null, $3 lease or null, $4 token or null
with given as (
  select $1::text::jsonb as messages, $2::text as only_state, $3::text as lease, $4::bigint as token
)
select __schema__.finish_messages(messages, only_state, lease, token)::text as answer
from given
