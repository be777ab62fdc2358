-- Forgets some messages that were handled long ago; how many.
-- $1 older_than_ms: bigint, $2 max_count: integer
with given as (
  select clock_timestamp() - $1::bigint * interval '1 millisecond' as moment, $2::integer as max_count
),
forgotten as (
  delete from __schema__.messages m
  where m.state = 'handled' and m.ctid = any (array(
    select old.ctid
    from __schema__.messages old
    where old.state = 'handled' and old.handled_at < (select moment from given)
    order by old.handled_at
    limit (select max_count from given)
    for update skip locked
  ))
  returning 1
)
select to_jsonb(count(*))::text as answer
from forgotten
