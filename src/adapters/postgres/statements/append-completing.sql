-- Appends all requests or none, and completes operations with them. See the function's own words in the migration.
-- $1 requests: a json array, one element for each stream
with given as (
  select $1::text::jsonb as requests
)
select __schema__.append_completing(requests)::text as answer
from given
