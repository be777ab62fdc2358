-- What waits in each partition of a queue that has something; one row a partition.
-- $1 queue, $2 parts: integer
with given as (
  select $1::text as queue, $2::integer as parts, clock_timestamp() as moment
),
parked as (
  select m.tenant, m.key, count(*) as parked
  from given
  join __schema__.messages m on m.queue = given.queue and m.state = 'parked'
  group by 1, 2
),
keys as (
  select k.slot % given.parts as part, k.key, k.in_line - coalesce(p.parked, 0) as depth,
    coalesce(p.parked, 0) as parked,
    case when k.due_at < given.moment then extract(epoch from given.moment - k.due_at) * 1000 else 0 end as due_ms
  from given
  join __schema__.message_keys k on k.queue = given.queue
  left join parked p on p.tenant = k.tenant and p.key = k.key
),
ranked as (
  select keys.*, row_number() over (partition by part order by depth desc, key) as place
  from keys
)
select part::text as part, sum(depth)::text as depth, sum(parked)::text as parked,
  round(max(due_ms))::text as oldest_ms,
  coalesce(
    jsonb_agg(jsonb_build_object('key', key, 'depth', depth) order by place) filter (where place <= 5 and depth > 0),
    '[]'
  )::text as hottest
from ranked
group by part
order by part
