-- The beginnings of pages of several streams, as in the page of one stream oldest first, all of one moment. No row for a stream
-- that is not there.
-- $1 asked: a json array of [tenant, stream, first version, max count], all of them text
with asked as (
  select place, ask ->> 0 as tenant, ask ->> 1 as stream, (ask ->> 2)::integer as first, (ask ->> 3)::integer as max_count
  from json_array_elements($1::text::json) with ordinality as given (ask, place)
)
select asked.place::text as place, s.version::text as stream_version, s.state as stream_state,
  e.version::text as version, e.transaction_id::text as transaction_id,
    e.position::text as position, e.event_id::text as event_id, e.type, e.schema_version::text as schema_version,
    e.data::text as data, e.metadata::text as metadata,
    to_char(e.recorded_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as recorded_at
from asked
join __schema__.streams s on s.tenant = asked.tenant and s.name = asked.stream
left join lateral (
  select *
  from __schema__.events e
  where e.stream_id = s.id and e.version >= asked.first
  order by e.version
  limit asked.max_count
) e on true
order by asked.place, e.version
