-- The last version at which an event of the stream stands, 0 where there is none; asked where the unique key refused.
-- $1 tenant, $2 stream
with given as (
  select $1::text as tenant, $2::text as stream
)
select coalesce(max(e.version), 0)::text as version
from given
left join __schema__.streams s on s.tenant = given.tenant and s.name = given.stream
left join __schema__.events e on e.stream_id = s.id
