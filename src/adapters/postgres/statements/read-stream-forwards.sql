-- One page of a stream, oldest first, and how the stream stands, all of one moment. No row where there is no such stream; one row
-- with an empty event where the page is empty.
-- $1 tenant, $2 stream, $3 from: the first version to answer, $4 max count
with given as (
  select $1::text as tenant, $2::text as stream, $3::text::integer as first, $4::text::integer as max_count
)
select s.version::text as stream_version, s.state as stream_state,
  e.version::text as version, e.transaction_id::text as transaction_id,
    e.position::text as position, e.event_id::text as event_id, e.type, e.schema_version::text as schema_version,
    e.data::text as data, e.metadata::text as metadata,
    to_char(e.recorded_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as recorded_at
from given
join __schema__.streams s on s.tenant = given.tenant and s.name = given.stream
left join lateral (
  select *
  from __schema__.events e
  where e.stream_id = s.id and e.version >= given.first
  order by e.version
  limit given.max_count
) e on true
order by e.version
