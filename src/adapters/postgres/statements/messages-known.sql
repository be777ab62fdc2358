-- How many of these messages their queues know.
-- $1 messages: a json array
with given as (
  select distinct value ->> 'tenant' as tenant, value ->> 'queue' as queue, value ->> 'id' as id
  from jsonb_array_elements($1::text::jsonb)
)
select jsonb_build_object('known', count(m.id), 'given', count(*))::text as answer
from given
left join __schema__.messages m on m.tenant = given.tenant and m.queue = given.queue and m.id = given.id
