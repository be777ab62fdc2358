-- Gives delayed messages that are due their places. See the function's own words in the migration.
-- $1 queue
with given as (
  select $1::text as queue
)
select __schema__.release_messages(queue)::text as answer
from given
