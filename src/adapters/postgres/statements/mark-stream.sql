-- Archives, reopens or tombstones a stream.
-- $1 tenant, $2 stream, $3 mark: open | archived | tombstoned
-- $4 expected: any | streamExists | exactly, $5 expected version
with given as (
  select $1::text as tenant, $2::text as stream, $3::text as mark, $4::text as expected, $5::text::integer as version
)
select __schema__.mark_stream(tenant, stream, mark, expected, version)::text as answer
from given
