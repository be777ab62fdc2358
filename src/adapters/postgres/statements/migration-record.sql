-- Notes that a migration was run.
-- $1 id, $2 name, $3 checksum
with given as (
  select $1::text::integer as id, $2::text as name, $3::text as checksum
)
insert into __schema__.migrations (id, name, checksum)
select id, name, checksum
from given
