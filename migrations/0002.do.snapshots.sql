-- Snapshots: a folded state beside its stream, a shortcut that can be thrown away at any time.
-- Older code survives it: it does not know the table.

create table snapshots (
  tenant text collate "C" not null,
  stream text collate "C" not null,
  version integer not null,
  codec_version text collate "C" not null,
  state jsonb not null,
  constraint snapshots_pkey primary key (tenant, stream),
  constraint snapshots_version_counts check (version >= 0)
);
