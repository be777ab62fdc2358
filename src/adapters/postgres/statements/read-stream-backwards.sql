-- One page of a stream, newest first, and how the stream stands, all of one moment. No row where there is no such stream; one row
-- with an empty event where the page is empty.
-- $1 tenant, $2 stream, $3 from: the first version to answer, $4 max count
with given as (
  select $1::text as tenant, $2::text as stream, $3::text::integer as first, $4::text::integer as max_count
)
select s.version as stream_version, s.state as stream_state,
  e.version, e.transaction_id, e.position, e.event_id, e.type, e.schema_version, e.data, e.metadata,
  to_json(e.recorded_at at time zone 'UTC') as recorded_at
from given
join __schema__.streams s on s.tenant = given.tenant and s.name = given.stream
left join lateral (
  select *
  from __schema__.events e
  where e.stream_id = s.id and e.version <= given.first
  order by e.version desc
  limit given.max_count
) e on true
order by e.version desc
