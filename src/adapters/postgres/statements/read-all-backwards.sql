-- One page of the global order backwards: events before a place, newest first, of those that no older open transaction
-- can still come before; and on every row where the order begins (one row with an empty event where the page is empty).
-- $1 before: transaction id, $2 before: position, $3 max count
-- $4 examine max: rows looked at for one page, so that a filter that matches little ends in bounded time
-- $5 filter: {"tenant", "categories", "types", "streamPrefixes", "includeArchived"}, null where a part is not given
with given as materialized (
  select $1::text::xid8 as before_transaction, $2::text::bigint as before_position,
    $3::text::integer as max_count, $4::text::integer as examine_max,
    filter ->> 'tenant' as tenant,
    case jsonb_typeof(filter -> 'categories')
      when 'array' then array(select jsonb_array_elements_text(filter -> 'categories')) end as categories,
    case jsonb_typeof(filter -> 'types')
      when 'array' then array(select jsonb_array_elements_text(filter -> 'types')) end as types,
    case jsonb_typeof(filter -> 'streamPrefixes')
      when 'array' then array(select jsonb_array_elements_text(filter -> 'streamPrefixes')) end as prefixes,
    (filter ->> 'includeArchived')::boolean as include_archived,
    pg_snapshot_xmin(pg_current_snapshot()) as horizon
  from (select $5::text::jsonb as filter) as parameters
),
beginning as materialized (
  select e.transaction_id, e.position
  from __schema__.events e
  order by e.transaction_id, e.position
  limit 1
),
-- Parameters are asked for one by one, as in read-all.sql, and for its reason.
newest as materialized (
  select e.transaction_id
  from __schema__.events e
  where (e.transaction_id, e.position)
      < ((select before_transaction from given), (select before_position from given))
  order by e.transaction_id desc, e.position desc
  limit 1
),
page as materialized (
  select e.*
  from (
    select *
    from __schema__.events e
    where (e.transaction_id, e.position)
        < ((select before_transaction from given), (select before_position from given))
      and e.transaction_id < (select horizon from given)
    order by e.transaction_id desc, e.position desc
    limit (select examine_max from given)
  ) e
  where ((select tenant from given) is null or e.tenant = (select tenant from given))
    and ((select categories from given) is null
      or split_part(e.stream, '-', 1) = any ((select categories from given)::text[]))
    and ((select types from given) is null or e.type = any ((select types from given)::text[]))
    and ((select prefixes from given) is null
      or exists (select from unnest((select prefixes from given)) as prefix where starts_with(e.stream, prefix)))
    and case (
        select s.state from __schema__.streams s
        where s.tenant = e.tenant and s.name = e.stream and s.state <> 'open'
      )
      when 'archived' then (select include_archived from given)
      when 'tombstoned' then false
      else true
    end
  order by e.transaction_id desc, e.position desc
  limit (select max_count from given)
),
-- The last row that was looked at, where the page ended because it had looked at enough.
examined_end as materialized (
  select e.transaction_id, e.position
  from __schema__.events e
  where (e.transaction_id, e.position)
      < ((select before_transaction from given), (select before_position from given))
    and e.transaction_id < (select horizon from given)
    and (select count(*) from page) < (select max_count from given)
  order by e.transaction_id desc, e.position desc
  offset (select examine_max - 1 from given)
  limit 1
)
select beginning.transaction_id::text as beginning_transaction_id, beginning.position::text as beginning_position,
  examined_end.transaction_id::text as examined_transaction_id, examined_end.position::text as examined_position,
  coalesce(newest.transaction_id >= given.horizon, false)::text as is_held_back,
  e.tenant, e.stream, e.version, e.transaction_id, e.position, e.event_id, e.type, e.schema_version, e.data, e.metadata,
  to_json(e.recorded_at at time zone 'UTC') as recorded_at
from given
left join beginning on true
left join newest on true
left join examined_end on true
left join page e on true
order by e.transaction_id desc, e.position desc
