-- Appends of several callers, each under its exact version and with its own outcome. See the function's own words in the migration.
-- $1 requests: a json array, one element for each append; $2 batch: a json array, the events of all of them
with given as (
  select $1::text::json as requests, $2::text::json as batch
)
select __schema__.append_events_exactly(requests, batch) as answer
from given
