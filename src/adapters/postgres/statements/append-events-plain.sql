-- Appends to one stream under nothing but its expected version. See the function's own words in the migration.
-- $1 tenant, $2 stream, $3 expected: any, streamExists or exactly, $4 version: 0 is no stream, $5 tail max, $6 events count,
-- $7 events: a json array
with given as (
  select $1::text as tenant, $2::text as stream, $3::text as expected, $4::text::integer as version,
    $5::text::integer as tail_max, $6::text::integer as events_count, $7::text::json as events
)
select __schema__.append_events_plain(tenant, stream, expected, version, tail_max, events_count, events)::text as answer
from given
