-- Where in a stream a batch was written, whatever the state of the stream. No row where it was not.
-- $1 tenant, $2 stream, $3 event ids: a json array, in the order of the batch
with given as (
  select $1::text as tenant, $2::text as stream, event_id::uuid as event_id, place::integer as place
  from jsonb_array_elements_text($3::text::jsonb) with ordinality as ids (event_id, place)
),
found as (
  select e.version, e.transaction_id, e.position, given.place
  from given
  join __schema__.events e on e.event_id = given.event_id and e.tenant = given.tenant and e.stream = given.stream
)
select f.version::text as version, f.transaction_id::text as transaction_id, f.position::text as position
from found f
where f.place = (select count(*) from given)
  and (select count(*) from given) = (
    select count(*) from found other where other.version - other.place = f.version - f.place
  )
order by f.version
limit 1
