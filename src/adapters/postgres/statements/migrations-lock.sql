-- Lets one process at a time migrate a schema; the lock ends with the transaction.
-- $1 schema
with given as (
  select $1::text as schema
)
select pg_advisory_xact_lock(hashtextextended('watersmeet migrations of ' || schema, 0))::text as locked
from given
