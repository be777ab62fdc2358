-- One page of the events that a query matches, over all streams of a tenant, oldest first; what this statement has seen; and where the next
-- page begins, null where this is the last. One row with an empty event where the page is empty.
-- $1 tenant, $2 items: [{"tags", "types"}], $3 after: transaction id, $4 after: position, $5 max count
with given as materialized (
  select $1::text as tenant, $2::text::jsonb as items, $3::text::xid8 as after_transaction,
    $4::text::bigint as after_position, $5::text::integer as max_count
),
found as materialized (
  select given.tenant, m.*, row_number() over (order by m.transaction_id, m.position) as place
  from given
  cross join lateral __schema__.match_tags(tenant, items, after_transaction, after_position, max_count + 1) m
),
last_of_page as (
  select found.transaction_id, found.position
  from found, given
  where found.place = given.max_count and exists (select from found f where f.place = given.max_count + 1)
)
select i.store_id::text || '/' || i.system_identifier as epoch, pg_current_snapshot()::text as snapshot,
  last_of_page.transaction_id::text as next_transaction_id, last_of_page.position::text as next_position,
  e.tenant, e.stream, e.version, e.transaction_id, e.position, e.event_id, e.type, e.schema_version, e.data, e.metadata,
  to_json(e.recorded_at at time zone 'UTC') as recorded_at
from given
cross join __schema__.store_info i
left join last_of_page on true
left join (
  found
  join __schema__.streams s on s.tenant = found.tenant and s.name = found.stream and s.state <> 'tombstoned'
  join __schema__.events e on e.stream_id = s.id and e.version = found.version
) on found.place <= given.max_count
order by e.transaction_id, e.position
