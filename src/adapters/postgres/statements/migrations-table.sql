-- Where the migrations that were run are noted.
-- no parameters
create table if not exists __schema__.migrations (
  id integer not null,
  name text not null,
  checksum text not null,
  applied_at timestamp with time zone not null default clock_timestamp(),
  constraint migrations_pkey primary key (id)
)
