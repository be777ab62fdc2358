-- Deletes operations that are past their time, oldest first; how many.
-- $1 max_count: integer
with given as (
  select clock_timestamp() as moment, $1::integer as max_count
),
deleted as (
  delete from __schema__.idempotency i
  where i.ctid = any (array(
    select old.ctid
    from __schema__.idempotency old
    where old.expires_at <= (select moment from given)
    order by old.expires_at
    limit (select max_count from given)
    for update skip locked
  ))
  returning 1
)
select to_jsonb(count(*))::text as answer
from deleted
