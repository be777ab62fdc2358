-- The beginnings of pages of several streams, each as the page of one stream forwards, all of one moment. No row for a stream
-- that is not there.
-- $1 asked: a json array of [tenant, stream, first version, max count], all of them text
with asked as (
  select place, ask ->> 0 as tenant, ask ->> 1 as stream, (ask ->> 2)::integer as first, (ask ->> 3)::integer as max_count
  from json_array_elements($1::text::json) with ordinality as given (ask, place)
)
select asked.place, s.version as stream_version, s.state as stream_state,
  e.version, e.transaction_id, e.position, e.event_id, e.type, e.schema_version, e.data, e.metadata,
  to_json(e.recorded_at at time zone 'UTC') as recorded_at
from asked
join __schema__.streams s on s.tenant = asked.tenant and s.name = asked.stream
left join lateral (
  select *
  from __schema__.events e
  where e.stream_id = s.id and e.version >= asked.first
  order by e.version
  limit asked.max_count
) e on true
