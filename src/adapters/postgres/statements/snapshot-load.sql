-- The newest snapshot of a stream. No row where there is none.
-- $1 tenant, $2 stream
with given as (
  select $1::text as tenant, $2::text as stream
)
select s.version::text as version, s.codec_version, s.state::text as state
from given
join __schema__.snapshots s on s.tenant = given.tenant and s.stream = given.stream
