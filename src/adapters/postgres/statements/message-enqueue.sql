-- Enqueues all messages or none. See the function's own words in the migration.
-- $1 messages: a json array, $2 depth_max: bigint or null
with given as (
  select $1::text::jsonb as messages, $2::bigint as depth_max
)
select __schema__.enqueue_messages(messages, depth_max)::text as answer
from given
