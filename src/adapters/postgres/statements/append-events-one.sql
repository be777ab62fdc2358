-- Appends one event under nothing but its expected version. See the function's own words in the migration.
-- $1 tenant, $2 stream, $3 expected: any, streamExists or exactly, $4 version: 0 is no stream, $5 tail max, $6 event id, $7 type,
-- $8 schema version, $9 data, $10 metadata
with given as (
  select $1::text as tenant, $2::text as stream, $3::text as expected, $4::text::integer as version,
    $5::text::integer as tail_max, $6::text::uuid as event_id, $7::text as type, $8::text::smallint as schema_version,
    $9::text::json as data, $10::text::json as metadata
)
select __schema__.append_events_one(
  tenant, stream, expected, version, tail_max, event_id, type, schema_version, data, metadata) as answer
from given
