-- Keeps a snapshot unless the stream has a newer one of the same codec.
-- $1 tenant, $2 stream, $3 version, $4 codec version, $5 state
with given as (
  select $1::text as tenant, $2::text as stream, $3::text::integer as version, $4::text as codec_version,
    $5::text::jsonb as state
),
saved as (
  insert into __schema__.snapshots as s (tenant, stream, version, codec_version, state)
  select tenant, stream, version, codec_version, state
  from given
  on conflict (tenant, stream) do update
  set version = excluded.version, codec_version = excluded.codec_version, state = excluded.state
  where s.codec_version <> excluded.codec_version or s.version <= excluded.version
  returning s.version
)
select count(*)::text as saved
from saved
