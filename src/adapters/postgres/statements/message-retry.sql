-- Lets a parked message be handled again; answers whether it was parked.
-- $1 tenant, $2 queue, $3 id
with given as (
  select $1::text as tenant, $2::text as queue, $3::text as id
)
select to_jsonb(__schema__.retry_message(tenant, queue, id))::text as answer
from given
