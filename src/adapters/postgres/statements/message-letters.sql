-- Parked messages, oldest first.
-- $1 queue or null, $2 after: bigint, $3 max_count: integer
with given as (
  select $1::text as queue, $2::bigint as after, $3::integer as max_count
)
select (__schema__.message_as_json(m) || jsonb_build_object(
    'history', m.history,
    'waiting', coalesce((
      select k.in_line - 1 from __schema__.message_keys k
      where k.queue = m.queue and k.tenant = m.tenant and k.key = m.key
    ), 0)
  ))::text as letter
from given
join __schema__.messages m on m.position > given.after
where m.state = 'parked' and m.queue = coalesce(given.queue, m.queue)
order by m.position
limit (select max_count from given)
