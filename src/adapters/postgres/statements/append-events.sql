-- Appends all requests or none. See the function's own words in the migration.
-- $1 requests: a json array, one element for each stream
with given as (
  select $1::text::jsonb as requests
)
select __schema__.append_events(requests)::text as answer
from given
