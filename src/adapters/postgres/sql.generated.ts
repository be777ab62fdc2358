/** The SQL files as text, written by scripts/embed-sql.mjs: change the files and run it, never this. */

export const statementTexts = {
  adoptEvents: `with streams as (
  update __schema__.streams
  set transaction_id = '0'::xid8
  where transaction_id <> '0'::xid8
), tags as (
  update __schema__.event_tags
  set transaction_id = '0'::xid8, written_by = '0'::xid8
  where transaction_id <> '0'::xid8
)
update __schema__.events
set transaction_id = '0'::xid8
where transaction_id <> '0'::xid8`,
  adoptStore: `with given as (
  select $1::text as system_identifier
)
update __schema__.store_info
set store_id = gen_random_uuid(), system_identifier = given.system_identifier
from given`,
  appendCompleting: `with given as (
  select $1::text::jsonb as requests
)
select __schema__.append_completing(requests)::text as answer
from given`,
  appendEventsExactly: `with given as (
  select $1::text::json as requests, $2::text::json as batch
)
select __schema__.append_events_exactly(requests, batch) as answer
from given`,
  appendEventsOne: `with given as (
  select $1::text as tenant, $2::text as stream, $3::text as expected, $4::text::integer as version,
    $5::text::integer as tail_max, $6::text::uuid as event_id, $7::text as type, $8::text::smallint as schema_version,
    $9::text::json as data, $10::text::json as metadata
)
select __schema__.append_events_one(
  tenant, stream, expected, version, tail_max, event_id, type, schema_version, data, metadata) as answer
from given`,
  appendEventsPlain: `with given as (
  select $1::text as tenant, $2::text as stream, $3::text as expected, $4::text::integer as version,
    $5::text::integer as tail_max, $6::text::integer as events_count, $7::text::json as events
)
select __schema__.append_events_plain(tenant, stream, expected, version, tail_max, events_count, events)::text as answer
from given`,
  appendEventsShared: `with given as (
  select $1::text::json as requests, $2::text::json as batch
)
select __schema__.append_events_shared(requests, batch)::text as answer
from given`,
  appendEvents: `with given as (
  select $1::text::jsonb as requests
)
select __schema__.append_events(requests)::text as answer
from given`,
  checkpointLoad: `with given as (
  select $1::text as subscriber
)
select c.transaction_id::text as transaction_id, c.position::text as position, c.epoch
from given
join __schema__.checkpoints c on c.subscriber = given.subscriber`,
  checkpointSave: `with given as (
  select $1::text as subscriber, $2::text::xid8 as transaction_id, $3::text::bigint as position, $4::text as epoch
),
store as (
  select store_id::text || '/' || system_identifier as epoch from __schema__.store_info
),
saved as (
  insert into __schema__.checkpoints as c (subscriber, transaction_id, position, epoch)
  select given.subscriber, given.transaction_id, given.position, given.epoch
  from given
  join store on store.epoch = given.epoch
  on conflict (subscriber) do update
  set transaction_id = excluded.transaction_id, position = excluded.position, epoch = excluded.epoch
  where c.epoch <> excluded.epoch
    or (c.transaction_id, c.position) < (excluded.transaction_id, excluded.position)
  returning c.subscriber
)
select store.epoch, (select count(*) from saved)::text as saved
from store`,
  findBatch: `with given as (
  select $1::text as tenant, $2::text as stream, event_id::uuid as event_id, place::integer as place
  from jsonb_array_elements_text($3::text::jsonb) with ordinality as ids (event_id, place)
),
found as (
  select e.version, e.transaction_id, e.position, given.place
  from given
  join __schema__.events e on e.event_id = given.event_id and e.tenant = given.tenant and e.stream = given.stream
)
select f.version::text as version, f.transaction_id::text as transaction_id, f.position::text as position
from found f
where f.place = (select count(*) from given)
  and (select count(*) from given) = (
    select count(*) from found other where other.version - other.place = f.version - f.place
  )
order by f.version
limit 1`,
  heldBackBy: `select a.pid::text as pid, a.application_name as application_name,
  (extract(epoch from clock_timestamp() - a.xact_start) * 1000)::bigint::text as age_ms
from pg_catalog.pg_stat_activity a
where a.backend_xid is not null and a.pid <> pg_backend_pid()
order by age(a.backend_xid) desc
limit 1`,
  idempotencyBegin: `with given as (
  select $1::text as tenant, $2::text as scope, $3::text as key, $4::text as request_hash, $5::text as holder,
    $6::bigint as pending_ms, $7::bigint as keep_ms, $8::integer as attempts_max, $9::uuid as call_id
)
select __schema__.begin_operation(
  tenant, scope, key, request_hash, holder, pending_ms, keep_ms, attempts_max, call_id
)::text as answer
from given`,
  idempotencyCleanUp: `with given as (
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
from deleted`,
  idempotencyForget: `with given as (
  select $1::text as tenant, $2::text as scope, $3::text as key
),
forgotten as (
  delete from __schema__.idempotency i
  using given
  where i.tenant = given.tenant and i.scope = given.scope and i.key = given.key
  returning i.expires_at
)
select to_jsonb(count(*) filter (where expires_at > clock_timestamp()) > 0)::text as answer
from forgotten`,
  idempotencyList: `with given as (
  select $1::text as tenant, $2::text as scope, $3::text as state, coalesce($4::text, '') as after_scope,
    coalesce($5::text, '') as after_key, $6::integer as max_count, clock_timestamp() as moment
)
select __schema__.operation_as_json(i, given.moment)::text as entry
from given
join __schema__.idempotency i on i.tenant = given.tenant
where (i.scope, i.key) > (given.after_scope, given.after_key) and i.expires_at > given.moment
  and (given.scope is null or i.scope = given.scope) and (given.state is null or i.state = given.state)
order by i.scope, i.key
limit (select max_count from given)`,
  idempotencyRenew: `with given as (
  select $1::text as tenant, $2::text as scope, $3::text as key, $4::bigint as token,
    clock_timestamp() + $5::bigint * interval '1 millisecond' as stale_at
)
update __schema__.idempotency i
set stale_at = given.stale_at, expires_at = given.stale_at + i.keep
from given
where i.tenant = given.tenant and i.scope = given.scope and i.key = given.key and i.token = given.token
  and i.state = 'pending'
returning i.token::text as token`,
  idempotencySettle: `with given as (
  select $1::text as tenant, $2::text as scope, $3::text as key, $4::bigint as token, $5::text as state,
    $6::text::jsonb as result, $7::text as error
)
select to_jsonb(__schema__.settle_operation(tenant, scope, key, token, state, result, error))::text as answer
from given`,
  idempotencyShow: `with given as (
  select $1::text as tenant, $2::text as scope, $3::text as key, clock_timestamp() as moment
)
select __schema__.operation_as_json(i, given.moment)::text as entry, i.result::text as result
from given
join __schema__.idempotency i on i.tenant = given.tenant and i.scope = given.scope and i.key = given.key
where i.expires_at > given.moment`,
  leaseAcquireScope: `with given as (
  select $1::text as name, $2::text as holder, $3::integer as ttl_ms
)
select __schema__.acquire_scope(name, holder, ttl_ms)::text as answer
from given`,
  leaseAcquire: `with given as (
  select $1::text as name, $2::text as holder, $3::integer as ttl_ms
)
select __schema__.acquire_lease(name, holder, ttl_ms)::text as answer
from given`,
  leaseList: `with given as (
  select $1::text as prefix, $1::text || repeat(chr(1114111), 128) as prefix_end, $2::integer as max_count
)
select l.name, l.token::text as token, l.holder,
  ceil(extract(epoch from l.expires_at - clock_timestamp()) * 1000)::bigint::text as expires_in_ms
from given
join __schema__.leases l on l.name >= given.prefix and l.name <= given.prefix_end
where starts_with(l.name, given.prefix) and l.expires_at > clock_timestamp()
order by l.name
limit (select max_count from given)`,
  leaseRelease: `with given as (
  select $1::text as name, $2::bigint as token
)
update __schema__.leases l
set expires_at = '-infinity'
from given
where l.name = given.name and l.token = given.token
returning l.token::text as token`,
  leaseRenew: `with given as (
  select $1::text as name, $2::bigint as token, $3::integer as ttl_ms
)
update __schema__.leases l
set expires_at = clock_timestamp() + given.ttl_ms * interval '1 millisecond'
from given
where l.name = given.name and l.token = given.token and l.expires_at > '-infinity'
returning l.token::text as token`,
  listCategory: `with given as (
  select $1::text as tenant, $2::text as after, $3::text::integer as max_count, $4::text::boolean as include_archived,
    $5::text as category
)
select s.tenant, s.name, s.version::text as version, s.state
from given
join __schema__.streams s on s.tenant = given.tenant and s.name > given.after
  and s.name >= given.category and s.name < given.category || '.'
where split_part(s.name, '-', 1) = given.category
  and (s.state = 'open' or (s.state = 'archived' and given.include_archived))
order by s.name
limit (select max_count from given)`,
  listStreams: `with given as (
  select $1::text as tenant, $2::text as after, $3::text::integer as max_count, $4::text::boolean as include_archived
)
select s.tenant, s.name, s.version::text as version, s.state
from given
join __schema__.streams s on s.tenant = given.tenant and s.name > given.after
where s.state = 'open' or (s.state = 'archived' and given.include_archived)
order by s.name
limit (select max_count from given)`,
  markStream: `with given as (
  select $1::text as tenant, $2::text as stream, $3::text as mark, $4::text as expected, $5::text::integer as version
)
select __schema__.mark_stream(tenant, stream, mark, expected, version)::text as answer
from given`,
  messageDepths: `with given as (
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
order by part`,
  messageEnqueue: `with given as (
  select $1::text::jsonb as messages, $2::bigint as depth_max
)
select __schema__.enqueue_messages(messages, depth_max)::text as answer
from given`,
  messageFail: `with given as (
  select $1::text as tenant, $2::text as queue, $3::text as id, $4::text as error, $5::bigint as retry_ms,
    $6::text as lease, $7::bigint as token
)
select __schema__.fail_message(tenant, queue, id, error, retry_ms, lease, token)::text as answer
from given`,
  messageFinish: `with given as (
  select $1::text::jsonb as messages, $2::text as only_state, $3::text as lease, $4::bigint as token
)
select __schema__.finish_messages(messages, only_state, lease, token)::text as answer
from given`,
  messageForget: `with given as (
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
from forgotten`,
  messageLetters: `with given as (
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
limit (select max_count from given)`,
  messageQueues: `select c.queue
from __schema__.message_counts c
group by c.queue
having sum(c.unhandled) > 0
order by c.queue`,
  messageRelease: `with given as (
  select $1::text as queue
)
select __schema__.release_messages(queue)::text as answer
from given`,
  messageRetry: `with given as (
  select $1::text as tenant, $2::text as queue, $3::text as id
)
select to_jsonb(__schema__.retry_message(tenant, queue, id))::text as answer
from given`,
  messageTake: `with given as (
  select $1::text as queue, $2::integer as part, $3::integer as parts, $4::integer as count_max,
    $5::text::jsonb as except_keys, $6::text as lease, $7::bigint as token
)
select __schema__.take_messages(queue, part, parts, count_max, except_keys, lease, token)::text as answer
from given`,
  messagesKnown: `with given as (
  select distinct value ->> 'tenant' as tenant, value ->> 'queue' as queue, value ->> 'id' as id
  from jsonb_array_elements($1::text::jsonb)
)
select jsonb_build_object('known', count(m.id), 'given', count(*))::text as answer
from given
left join __schema__.messages m on m.tenant = given.tenant and m.queue = given.queue and m.id = given.id`,
  migrationRecord: `with given as (
  select $1::text::integer as id, $2::text as name, $3::text as checksum
)
insert into __schema__.migrations (id, name, checksum)
select id, name, checksum
from given`,
  migrationsApplied: `select id::text as id, name, checksum
from __schema__.migrations
order by id`,
  migrationsLock: `with given as (
  select $1::text as schema
)
select pg_advisory_xact_lock(hashtextextended('watersmeet migrations of ' || schema, 0))::text as locked
from given`,
  migrationsTable: `create table if not exists __schema__.migrations (
  id integer not null,
  name text not null,
  checksum text not null,
  applied_at timestamp with time zone not null default clock_timestamp(),
  constraint migrations_pkey primary key (id)
)`,
  readAllBackwards: `with given as materialized (
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
order by e.transaction_id desc, e.position desc`,
  readAll: `with given as materialized (
  select $1::text::xid8 as after_transaction, $2::text::bigint as after_position,
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
safe_end as materialized (
  select e.transaction_id, e.position
  from __schema__.events e
  where e.transaction_id < (select horizon from given)
  order by e.transaction_id desc, e.position desc
  limit 1
),
newest as materialized (
  select e.transaction_id
  from __schema__.events e
  order by e.transaction_id desc, e.position desc
  limit 1
),
page as materialized (
  select e.*
  from (
    select *
    from __schema__.events e
    where (e.transaction_id, e.position)
        > ((select after_transaction from given), (select after_position from given))
      and e.transaction_id < (select horizon from given)
    order by e.transaction_id, e.position
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
  order by e.transaction_id, e.position
  limit (select max_count from given)
),
examined_end as materialized (
  select e.transaction_id, e.position
  from __schema__.events e
  where (e.transaction_id, e.position)
      > ((select after_transaction from given), (select after_position from given))
    and e.transaction_id < (select horizon from given)
    and (select count(*) from page) < (select max_count from given)
  order by e.transaction_id, e.position
  offset (select examine_max - 1 from given)
  limit 1
)
select safe_end.transaction_id::text as safe_transaction_id, safe_end.position::text as safe_position,
  examined_end.transaction_id::text as examined_transaction_id, examined_end.position::text as examined_position,
  coalesce(newest.transaction_id >= given.horizon, false)::text as is_held_back,
  e.tenant, e.stream, e.version, e.transaction_id, e.position, e.event_id, e.type, e.schema_version, e.data, e.metadata,
  to_json(e.recorded_at at time zone 'UTC') as recorded_at
from given
left join safe_end on true
left join newest on true
left join examined_end on true
left join page e on true
order by e.transaction_id, e.position`,
  readMatching: `with given as materialized (
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
order by e.transaction_id, e.position`,
  readStreamBackwards: `with given as (
  select $1::text as tenant, $2::text as stream, $3::text::integer as first, $4::text::integer as max_count
)
select s.version as stream_version, s.state as stream_state,
  e.version, e.transaction_id, e.position, e.event_id, e.type, e.schema_version, e.data, e.metadata,
  to_json(e.recorded_at at time zone 'UTC') as recorded_at
from given
join __schema__.streams s on s.tenant = given.tenant and s.name = given.stream
left join lateral (
  select *
  from __schema__.events e
  where e.stream_id = s.id and e.version <= given.first
  order by e.version desc
  limit given.max_count
) e on true
order by e.version desc`,
  readStreamForwards: `with given as (
  select $1::text as tenant, $2::text as stream, $3::text::integer as first, $4::text::integer as max_count
)
select s.version as stream_version, s.state as stream_state,
  e.version, e.transaction_id, e.position, e.event_id, e.type, e.schema_version, e.data, e.metadata,
  to_json(e.recorded_at at time zone 'UTC') as recorded_at
from given
join __schema__.streams s on s.tenant = given.tenant and s.name = given.stream
left join lateral (
  select *
  from __schema__.events e
  where e.stream_id = s.id and e.version >= given.first
  order by e.version
  limit given.max_count
) e on true`,
  readStreams: `with asked as (
  select place, ask ->> 0 as tenant, ask ->> 1 as stream, (ask ->> 2)::integer as first, (ask ->> 3)::integer as max_count
  from json_array_elements($1::text::json) with ordinality as given (ask, place)
)
select asked.place, s.version as stream_version, s.state as stream_state,
  e.version, e.transaction_id, e.position, e.event_id, e.type, e.schema_version, e.data, e.metadata,
  to_json(e.recorded_at at time zone 'UTC') as recorded_at
from asked
join __schema__.streams s on s.tenant = asked.tenant and s.name = asked.stream
left join lateral (
  select *
  from __schema__.events e
  where e.stream_id = s.id and e.version >= asked.first
  order by e.version
  limit asked.max_count
) e on true`,
  schemaExists: `with given as (
  select $1::text as schema
)
select count(*)::text as found
from given
join pg_catalog.pg_namespace n on n.nspname = given.schema`,
  snapshotLoad: `with given as (
  select $1::text as tenant, $2::text as stream
)
select s.version::text as version, s.codec_version, s.state::text as state
from given
join __schema__.snapshots s on s.tenant = given.tenant and s.stream = given.stream`,
  snapshotSave: `with given as (
  select $1::text as tenant, $2::text as stream, $3::text::integer as version, $4::text as codec_version,
    $5::text::jsonb as state
),
saved as (
  insert into __schema__.snapshots as s (tenant, stream, version, codec_version, state)
  select tenant, stream, version, codec_version, state
  from given
  on conflict (tenant, stream) do update
  set version = excluded.version, codec_version = excluded.codec_version, state = excluded.state
  where s.codec_version <> excluded.codec_version or s.version <= excluded.version
  returning s.version
)
select count(*)::text as saved
from saved`,
  storeInfo: `select store_id::text as store_id, system_identifier
from __schema__.store_info`,
  streamEnd: `with given as (
  select $1::text as tenant, $2::text as stream
)
select coalesce(max(e.version), 0)::text as version
from given
left join __schema__.streams s on s.tenant = given.tenant and s.name = given.stream
left join __schema__.events e on e.stream_id = s.id`,
  systemIdentifier: `select system_identifier::text as system_identifier
from pg_catalog.pg_control_system()`,
} as const;

export const migrationTexts = [
  {
    id: 1,
    file: '0001.do.event-store.sql',
    checksum: '979e103455c61aa2bd84bd26b8a26a66ed4a612344f00a42d5e440e13afda9e7',
    sql: `-- The event store: streams, their events in one global order, subscribers' checkpoints, and the life of the store.
-- Older code: there is none before this one.

-- Names compare by bytes, so that they are listed in the order of code points on every server.
create table streams (
  -- What its events are keyed by: it grows, so that the events of new streams stand at one end of their index.
  id bigint not null generated always as identity,
  tenant text collate "C" not null,
  name text collate "C" not null,
  version integer not null,
  -- open, archived or tombstoned.
  state text not null default 'open',
  -- That of the last event, see there.
  transaction_id xid8 not null,
  constraint streams_pkey primary key (tenant, name)
) with (fillfactor = 70);
-- Room is left in each page, because every append updates its stream's row in place. There are no checks and no generated
-- columns here and in events: every statement that writes would make each ready anew, and nobody but the store's own
-- statements writes.

-- Few streams are closed: readers of the global order ask for each event whether its stream is one of them.
create index streams_closed on streams (tenant, name) where state <> 'open';

-- No foreign key to streams: the function below keeps them together under the stream's row lock, and the key would cost
-- a lookup for each event.
create table events (
  position bigint not null generated always as identity,
  -- A sequence is handed out before commit, so that a reader who goes by it alone skips events that commit late.
  -- Readers go by transaction first, and only as far as no older transaction is still open.
  -- A writer may get its transaction id, wait for the stream's row lock, and be overtaken by one with a higher id. So
  -- that the global order keeps the order of each stream, it then takes the id of the event before. That is safe, for
  -- it is the higher one: no reader has come as far while the writer's own transaction is open.
  transaction_id xid8 not null,
  -- That of the row in streams.
  stream_id bigint not null,
  -- Both again, for readers of many streams.
  tenant text collate "C" not null,
  stream text collate "C" not null,
  version integer not null,
  -- Not unique: a writer that names the current version may write a known id as a new event.
  event_id uuid not null,
  type text collate "C" not null,
  schema_version smallint not null,
  -- Text as it was written, and not jsonb: cheaper to write and to read, and nothing here looks inside.
  data json not null,
  metadata json not null,
  recorded_at timestamp(3) with time zone not null default clock_timestamp(),
  -- What correctness rests on: two events cannot stand at one place, whatever the writers do.
  constraint events_pkey primary key (stream_id, version)
);
create index events_order on events (transaction_id, position);
create index events_event_id on events (event_id);

create table checkpoints (
  subscriber text collate "C" not null,
  transaction_id xid8 not null,
  position bigint not null,
  epoch text not null,
  constraint checkpoints_pkey primary key (subscriber)
);

-- One row. Transaction ids mean something only in the cluster that gave them: restored into a younger one they would
-- hide every event. The identifier of the cluster tells, and a new store_id ends the life of old checkpoints.
create table store_info (
  only_row boolean not null default true,
  store_id uuid not null,
  system_identifier text not null,
  constraint store_info_pkey primary key (only_row),
  constraint store_info_only_row check (only_row)
);
do $$
declare
  identifier text := 'unknown';
begin
  begin
    select system_identifier::text into identifier from pg_control_system();
  exception when insufficient_privilege then
    -- Some hosts forbid to ask. Then a restore is not noticed by itself.
    identifier := 'unknown';
  end;
  insert into store_info (store_id, system_identifier) values (gen_random_uuid(), identifier);
end
$$;

-- An event as jsonb, in the words that the adapter decodes; what 53 bits might not hold is text.
create function event_as_json(event events) returns jsonb
language sql stable as $$
  select jsonb_build_object(
    'tenant', event.tenant,
    'stream', event.stream,
    'version', event.version,
    'transaction_id', event.transaction_id::text,
    'position', event.position::text,
    'event_id', event.event_id,
    'type', event.type,
    'schema_version', event.schema_version,
    'data', event.data,
    'metadata', event.metadata,
    'recorded_at', to_char(event.recorded_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
  )
$$;

-- What a request finds where it cannot simply be written: null where it may be written after all, else the answer:
--   {"outcome": "idempotent", "version", "transaction_id", "position"}
--   {"outcome": "archived" | "tombstoned"}
--   {"outcome": "conflict", "version", "already_recorded": [ids], "tail": [events] or null}
-- The caller holds the stream's row lock. \`stands_at\` is 0 and \`id\` null where there is no such stream. Volatile, so that its statements
-- see what was committed up to then, and not only what the caller's statement saw.
create function judge_append(request jsonb, id bigint, stands_at integer, state text) returns jsonb
language plpgsql volatile as $$
declare
  owner constant text := request ->> 'tenant';
  stream_name constant text := request ->> 'stream';
  expected constant text := request ->> 'expected';
  expected_version constant integer := (request ->> 'version')::integer;
  batch constant jsonb := request -> 'events';
  batch_count constant integer := jsonb_array_length(batch);
  tail_max constant integer := (request ->> 'tailMax')::integer;
  met constant boolean := case expected
    when 'any' then true
    when 'streamExists' then stands_at > 0
    else stands_at = expected_version
  end;
  before_batch integer;
  recorded events;
  already jsonb := '[]';
  tail jsonb;
begin
  if state <> 'open' then
    return jsonb_build_object('outcome', state);
  end if;

  if stands_at > 0 and batch_count > 0 and not (met and expected = 'exactly') then
    -- The version after which the batch would stand if it had been written before.
    if expected = 'exactly' then
      before_batch := expected_version;
    else
      select min(e.version) - 1 into before_batch from events e
      where e.event_id = (batch -> 0 ->> 'eventId')::uuid and e.tenant = owner and e.stream = stream_name;
    end if;
    if before_batch is not null and before_batch <= stands_at - batch_count and batch_count = (
      select count(*)
      from jsonb_array_elements(batch) with ordinality as given (event, place)
      join events e on e.stream_id = id and e.version = before_batch + given.place::integer
        and e.event_id = (given.event ->> 'eventId')::uuid
    ) then
      select * into strict recorded from events e
      where e.stream_id = id and e.version = before_batch + batch_count;
      return jsonb_build_object(
        'outcome', 'idempotent',
        'version', recorded.version,
        'transaction_id', recorded.transaction_id::text,
        'position', recorded.position::text
      );
    end if;

    select coalesce(jsonb_agg(distinct e.event_id), '[]') into already
    from jsonb_array_elements(batch) as given (event)
    join events e on e.event_id = (given.event ->> 'eventId')::uuid
    where e.tenant = owner and e.stream = stream_name;
  end if;

  if met and already = '[]' then
    return null;
  end if;

  if tail_max > 0 then
    select coalesce(jsonb_agg(event_as_json(e) order by e.version), '[]') into tail
    from (
      select * from events e
      where e.stream_id = id and e.version > case expected when 'exactly' then expected_version else 0 end
      order by e.version
      limit tail_max
    ) e;
  end if;
  return jsonb_build_object(
    'outcome', 'conflict', 'version', stands_at, 'already_recorded', already, 'tail', tail
  );
end
$$;

-- The append that nearly all are: one stream, which is as expected. Two statements: the first takes the stream's row lock and
-- moves its version if the expectation is met, the second writes the events. Null where there is anything to judge: then
-- nothing was written, and append_many does the same with all its answers.
create function append_one(
  owner text, stream_name text, expected text, expected_version integer, events_count integer, batch json
) returns jsonb
language plpgsql volatile as $$
declare
  before_batch integer := expected_version;
  own_id bigint;
  own_transaction xid8;
  written_count integer;
  last_position bigint;
begin
  if events_count = 0 or expected = 'streamExists' or expected_version > 2147483647 - events_count then
    return null;
  end if;

  if expected = 'any' then
    -- The lock first: an id that is not there now is not there until this transaction ends.
    select version into before_batch from streams s
    where s.tenant = owner and s.name = stream_name and s.state = 'open' for update;
    if not found or before_batch > 2147483647 - events_count or exists (
      select from json_to_recordset(batch) as given ("eventId" uuid)
      -- As it is written, only the index on event ids fits, whatever the planner knows of the table.
      cross join lateral (
        select from events e
        where e.event_id = given."eventId" and e.tenant || '' = owner and e.stream || '' = stream_name
        limit 1
      ) recorded
    ) then
      return null;
    end if;
  end if;

  if before_batch = 0 then
    insert into streams (tenant, name, version, transaction_id)
    values (owner, stream_name, events_count, pg_current_xact_id())
    on conflict do nothing
    returning id, transaction_id into own_id, own_transaction;
  else
    update streams s
    set version = before_batch + events_count, transaction_id = greatest(pg_current_xact_id(), s.transaction_id)
    where s.tenant = owner and s.name = stream_name and s.version = before_batch and s.state = 'open'
    returning s.id, s.transaction_id into own_id, own_transaction;
  end if;
  if own_transaction is null then
    return null;
  end if;

  with written as (
    insert into events (transaction_id, stream_id, tenant, stream, version, event_id, type, schema_version, data, metadata)
    -- A null of json comes out of a record as one of SQL.
    select own_transaction, own_id, owner, stream_name, before_batch + place::integer, event_id, type, schema_version,
      coalesce(data, 'null'), metadata
    from rows from (
      json_to_recordset(batch) as ("eventId" uuid, type text, "schemaVersion" smallint, data json, metadata json)
    ) with ordinality as given (event_id, type, schema_version, data, metadata, place)
    order by place
    returning position
  )
  select count(*), max(position) into written_count, last_position from written;
  if written_count <> events_count then
    raise exception '% of % events were written', written_count, events_count using errcode = 'data_corrupted';
  end if;
  return jsonb_build_object('appended', jsonb_build_array(jsonb_build_object(
    'outcome', 'appended',
    'version', before_batch + events_count,
    'transaction_id', own_transaction::text,
    'position', last_position::text
  )));
end
$$;

-- The same for a request in the words of append_many.
create function append_one(request jsonb) returns jsonb
language sql volatile as $$
  select append_one(
    request ->> 'tenant', request ->> 'stream', request ->> 'expected', (request ->> 'version')::integer,
    jsonb_array_length(request -> 'events'), (request -> 'events')::json)
$$;

-- Appends all requests or none, and answers one outcome for each, or the first refusal in the order of the requests:
--   {"refused": <index from 0>, "answer": <see judge_append, or {"outcome": "version_max", "version"}>}
--   {"appended": [{"outcome": "appended" | "idempotent", "version", "transaction_id", "position"}]}
-- A request: {"tenant", "stream", "expected": "any" | "streamExists" | "exactly", "version" (0 is no stream), "tailMax",
-- "events": [{"eventId", "type", "schemaVersion", "data", "metadata"}]}.
--
-- The row lock comes first, and each statement of a volatile function has a snapshot of its own: so what is read after
-- the lock is what the last writer left, and the version that won is known without a second round trip.
create function append_many(requests jsonb) returns jsonb
language plpgsql volatile as $$
declare
  requests_count constant integer := jsonb_array_length(requests);
  request record;
  stream_ids bigint[] := array_fill(null::bigint, array[requests_count]);
  stands_at integer[] := array_fill(0, array[requests_count]);
  state_of text[] := array_fill('open'::text, array[requests_count]);
  last_transaction xid8[] := array_fill('0'::xid8, array[requests_count]);
  is_new boolean[] := array_fill(false, array[requests_count]);
  answers jsonb[] := array_fill(null::jsonb, array[requests_count]);
  locked streams;
  new_id bigint;
  answer jsonb;
  refused integer;
  written_count integer;
  last_position bigint;
  own_transaction xid8;
  other_transaction xid8;
begin
  -- 1. Lock the streams, always in the order of their keys, so that two writers never wait for each other.
  for request in
    select place::integer as place, value ->> 'tenant' as tenant, value ->> 'stream' as stream,
      value ->> 'expected' as expected, (value ->> 'version')::integer as version,
      jsonb_array_length(value -> 'events') as events_count
    from jsonb_array_elements(requests) with ordinality as given (value, place)
    order by (value ->> 'tenant') collate "C", (value ->> 'stream') collate "C"
  loop
    for attempt in 1..100 loop
      select * into locked from streams s where s.tenant = request.tenant and s.name = request.stream for update;
      if found then
        stream_ids[request.place] := locked.id;
        stands_at[request.place] := locked.version;
        state_of[request.place] := locked.state;
        last_transaction[request.place] := locked.transaction_id;
        exit;
      end if;
      -- Nothing to lock: the refusal is certain, or it is only a question.
      exit when request.expected = 'streamExists' or (request.expected = 'exactly' and request.version > 0)
        or (requests_count = 1 and request.events_count = 0);
      -- A stream that begins now takes every event that it is given, so that its version is known already. Where
      -- another transaction begins the same stream, this waits for its end, and then looks again.
      insert into streams (tenant, name, version, transaction_id)
      values (request.tenant, request.stream, request.events_count, pg_current_xact_id())
      on conflict do nothing
      returning id into new_id;
      if found then
        stream_ids[request.place] := new_id;
        is_new[request.place] := true;
        exit;
      end if;
      if attempt = 100 then
        raise exception 'a stream was begun and taken back 100 times' using errcode = 'serialization_failure';
      end if;
    end loop;
  end loop;

  -- 2. Judge all of them before anything is written.
  for request in
    select place::integer as place, value, value ->> 'expected' as expected, (value ->> 'version')::integer as version,
      jsonb_array_length(value -> 'events') as events_count
    from jsonb_array_elements(requests) with ordinality as given (value, place)
    order by place
  loop
    continue when is_new[request.place];
    if state_of[request.place] = 'open' and request.expected = 'exactly'
      and stands_at[request.place] = request.version
    then
      answer := null;
    else
      answer := judge_append(request.value, stream_ids[request.place], stands_at[request.place], state_of[request.place]);
    end if;
    if answer is null and request.events_count > 2147483647 - stands_at[request.place] then
      answer := jsonb_build_object('outcome', 'version_max', 'version', stands_at[request.place]);
    end if;
    answers[request.place] := answer;
    if answer ->> 'outcome' <> 'idempotent' then
      refused := request.place;
      exit;
    end if;
  end loop;

  -- 3. Write, in the order of the requests, all under one transaction id, the highest of those of the streams: so that a
  -- reader of the global order finds all of it or none.
  own_transaction := pg_current_xact_id();
  foreach other_transaction in array last_transaction loop
    own_transaction := greatest(own_transaction, other_transaction);
  end loop;
  for request in
    select place::integer as place, value ->> 'tenant' as tenant, value ->> 'stream' as stream,
      value -> 'events' as batch, jsonb_array_length(value -> 'events') as events_count
    from jsonb_array_elements(requests) with ordinality as given (value, place)
    order by place
  loop
    if is_new[request.place] and (refused is not null or request.events_count = 0) then
      -- It was made for the lock only; nobody has seen it.
      delete from streams s where s.tenant = request.tenant and s.name = request.stream;
    end if;
    continue when refused is not null or answers[request.place] is not null;
    if request.events_count = 0 then
      answers[request.place] := jsonb_build_object(
        'outcome', 'appended', 'version', stands_at[request.place], 'transaction_id', '0', 'position', '0');
      continue;
    end if;
    with written as (
      insert into events (
        transaction_id, stream_id, tenant, stream, version, event_id, type, schema_version, data, metadata)
      select own_transaction, stream_ids[request.place], request.tenant, request.stream, stands_at[request.place] + place::integer,
        (value ->> 'eventId')::uuid, value ->> 'type', (value ->> 'schemaVersion')::smallint,
        (value -> 'data')::json, (value -> 'metadata')::json
      from jsonb_array_elements(request.batch) with ordinality as given (value, place)
      order by place
      returning position
    )
    select count(*), max(position) into written_count, last_position from written;
    if written_count <> request.events_count then
      raise exception '% of % events were written', written_count, request.events_count using errcode = 'data_corrupted';
    end if;
    if not is_new[request.place] or own_transaction > pg_current_xact_id() then
      update streams s
      set version = stands_at[request.place] + request.events_count, transaction_id = own_transaction
      where s.tenant = request.tenant and s.name = request.stream;
    end if;
    answers[request.place] := jsonb_build_object(
      'outcome', 'appended',
      'version', stands_at[request.place] + request.events_count,
      'transaction_id', own_transaction::text,
      'position', last_position::text
    );
  end loop;

  if refused is not null then
    return jsonb_build_object('refused', refused - 1, 'answer', answers[refused]);
  end if;
  return jsonb_build_object('appended', to_jsonb(answers));
end
$$;

-- What the adapter calls; see append_many for the words.
create function append_events(requests jsonb) returns jsonb
language plpgsql volatile set search_path from current as $$
declare
  answer jsonb;
begin
  if jsonb_array_length(requests) = 1 then
    answer := append_one(requests -> 0);
    if answer is not null then
      return answer;
    end if;
  end if;
  return append_many(requests);
end
$$;

-- The refusal that nearly all are, without a lock: the stream is past what was expected, and holds no event of the batch. Versions
-- only grow, so it stays refused. Null where it may be otherwise.
create function refuse_plain(
  owner text, stream_name text, expected text, expected_version integer, tail_max integer, batch json
) returns jsonb
language plpgsql volatile as $$
declare
  own_id bigint;
  stands_at integer;
  tail jsonb;
begin
  if expected <> 'exactly' then
    return null;
  end if;
  select s.id, s.version into own_id, stands_at from streams s
  where s.tenant = owner and s.name = stream_name and s.state = 'open' and s.version > expected_version;
  if not found or exists (
    select from json_to_recordset(batch) as given ("eventId" uuid)
    -- As it is written, only the index on event ids fits, whatever the planner knows of the table.
    cross join lateral (
      select from events e
      where e.event_id = given."eventId" and e.tenant || '' = owner and e.stream || '' = stream_name
      limit 1
    ) recorded
  ) then
    return null;
  end if;
  if tail_max > 0 then
    select coalesce(jsonb_agg(event_as_json(e) order by e.version), '[]') into tail
    from (
      select * from events e
      where e.stream_id = own_id and e.version > expected_version and e.version <= stands_at
      order by e.version
      limit tail_max
    ) e;
  end if;
  return jsonb_build_object('refused', 0, 'answer', jsonb_build_object(
    'outcome', 'conflict', 'version', stands_at, 'already_recorded', '[]'::jsonb, 'tail', tail
  ));
end
$$;

-- What the adapter calls for one append under nothing but its expected version. The events come beside the rest, as they are stored.
-- The answer is that of append_many.
--
-- A stream that somebody holds for long must not hold up the appends to others that share a statement, or wait for one to end: after the
-- lock_timeout nothing is written, and the adapter calls append_events for each alone, which waits as long as it takes.
create function append_events_plain(
  owner text, stream_name text, expected text, expected_version integer, tail_max integer, events_count integer, batch json
) returns jsonb
language plpgsql volatile set search_path from current set lock_timeout = '100ms' as $$
declare
  answer constant jsonb := coalesce(
    append_one(owner, stream_name, expected, expected_version, events_count, batch),
    refuse_plain(owner, stream_name, expected, expected_version, tail_max, batch));
begin
  if answer is not null then
    return answer;
  end if;
  return append_many(jsonb_build_array(jsonb_build_object(
    'tenant', owner, 'stream', stream_name, 'expected', expected, 'version', expected_version, 'tailMax', tail_max,
    'events', batch::jsonb)));
end
$$;

-- The same for an append of one event, whose parts come one by one: nothing is unpacked and gathered, which would cost as much as
-- writing it. The stream's row and the event are one statement, and the schema stands in the text: to begin a second statement, or to
-- set the search path and take it back, would each cost a tenth of the whole.
do $create$
begin
  execute replace($function$
create function append_events_one(
  owner text, stream_name text, expected text, expected_version integer, tail_max integer, id uuid, event_type text,
  version_of_schema smallint, event_data json, event_metadata json
) returns text
language plpgsql volatile set lock_timeout = '100ms' as $body$
declare
  own_transaction xid8;
  last_position bigint;
begin
  if expected <> 'exactly' or expected_version = 2147483647 then
    -- Left to the other.
  elsif expected_version = 0 then
    with begun as (
      insert into __schema__.streams as s (tenant, name, version, transaction_id)
      values (owner, stream_name, 1, pg_current_xact_id())
      on conflict do nothing
      returning s.id as stream_id, s.transaction_id
    ),
    written as (
      insert into __schema__.events (
        transaction_id, stream_id, tenant, stream, version, event_id, type, schema_version, data, metadata)
      select b.transaction_id, b.stream_id, owner, stream_name, 1, id, event_type, version_of_schema, event_data, event_metadata
      from begun b
      returning position
    )
    select b.transaction_id, w.position into own_transaction, last_position from begun b left join written w on true;
  else
    with moved as (
      update __schema__.streams s
      set version = expected_version + 1, transaction_id = greatest(pg_current_xact_id(), s.transaction_id)
      where s.tenant = owner and s.name = stream_name and s.version = expected_version and s.state = 'open'
      returning s.id as stream_id, s.transaction_id
    ),
    written as (
      insert into __schema__.events (
        transaction_id, stream_id, tenant, stream, version, event_id, type, schema_version, data, metadata)
      select m.transaction_id, m.stream_id, owner, stream_name, expected_version + 1, id, event_type, version_of_schema,
        event_data, event_metadata
      from moved m
      returning position
    )
    select m.transaction_id, w.position into own_transaction, last_position from moved m left join written w on true;
  end if;
  if own_transaction is null then
    return __schema__.append_events_plain(owner, stream_name, expected, expected_version, tail_max, 1, json_build_array(
      json_build_object('eventId', id, 'type', event_type, 'schemaVersion', version_of_schema, 'data', event_data,
        'metadata', event_metadata)));
  end if;
  -- A trigger of somebody else's may have dropped it.
  if last_position is null then
    raise exception 'the event was not written' using errcode = 'data_corrupted';
  end if;
  return format('{"appended": [{"outcome": "appended", "version": %s, "transaction_id": "%s", "position": "%s"}]}',
    expected_version + 1, own_transaction, last_position);
end
$body$
$function$, '__schema__', quote_ident(current_schema()));
end
$create$;

-- What is left of a shared statement (not as expected, known, or not the first of its stream) in its turn, under the locks that
-- are held. \`answers\` has null where there is none yet. See append_events_shared for the words.
create function append_left(requests json, batch json, answers jsonb[]) returns jsonb
language plpgsql volatile as $$
declare
  request record;
begin
  for request in
    select g.*, b.events
    from rows from (
      json_to_recordset(requests) as (tenant text, stream text, expected text, version integer, "tailMax" integer, count integer)
    ) with ordinality as g (tenant, stream, expected, version, tail_max, events_count, place)
    join (
      select (value ->> 'request')::integer as request, json_agg(value order by place) as events
      from json_array_elements(batch) with ordinality as e (value, place)
      group by 1
    ) b on b.request = g.place
    where answers[g.place] is null
    order by g.place
  loop
    -- Many that lost to the same event would each be given the same tail: the caller reads it once.
    answers[request.place] := coalesce(
      refuse_plain(request.tenant, request.stream, request.expected, request.version, 0, request.events),
      append_events_plain(request.tenant, request.stream, request.expected, request.version, request.tail_max,
        request.events_count, request.events));
  end loop;
  if array_position(answers, null) is not null then
    raise exception 'not all appends were answered' using errcode = 'data_corrupted';
  end if;
  return to_jsonb(answers);
end
$$;

-- Takes back rows of streams that were made for their locks alone, and that nobody has seen: [{"tenant", "name"}].
create function take_back(made jsonb) returns void
language sql volatile as $$
  delete from streams s
  using jsonb_to_recordset(made) as m (tenant text, name text)
  where s.tenant = m.tenant and s.name = m.name
$$;

-- Appends of several callers that share a statement and a commit, each with its own outcome: one answer as that of append_many for
-- each, in their order; those of one stream are judged one after the other. A request: {"tenant", "stream", "expected": "any" |
-- "exactly", "version" (0 is no stream, and with "any"), "tailMax", "count": how many events, 1 or more}. The events of all requests
-- stand in one batch: {"request": 1 is the first, "place": within the request, 1 is the first, ...}, in order.
--
-- 1. One statement takes the row locks of all streams in the order of their keys, as append_many does. In the same step it moves those
-- that are as the first request to them expects, and makes those that begin. A stream that is not there, although its first request
-- expects events, gets a row for the lock all the same, and loses it again; until the transaction ends no other writer can begin it.
-- 2. Where \`any\` is expected, a known id is looked for: after the lock, as in append_one.
-- 3. The events of these requests are written.
-- 4. What is left (not as expected, known, or not the first of its stream) is appended in its turn, under the locks that are held.
--
create function append_events_shared(requests json, batch json) returns jsonb
language plpgsql volatile set search_path from current set lock_timeout = '100ms' as $$
declare
  requests_count constant integer := json_array_length(requests);
  places integer[];
  ids bigint[];
  tenants text[];
  names text[];
  before_batches integer[];
  transactions xid8[];
  to_look_up integer[];
  known integer[];
  missing jsonb;
  answers jsonb[];
  wrong_count integer;
begin
  with given as materialized (
    select *
    from rows from (
      json_to_recordset(requests) as (tenant text, stream text, expected text, version integer, count integer)
    ) with ordinality as g (tenant, stream, expected, version, events_count, place)
  ),
  firsts as materialized (
    select distinct on (g.tenant collate "C", g.stream collate "C") g.*
    from given g
    order by g.tenant collate "C", g.stream collate "C", g.place
  ),
  locked as (
    insert into streams as s (tenant, name, version, state, transaction_id)
    select f.tenant, f.stream, f.version + f.events_count,
      case when f.expected = 'any' or f.version = 0 then 'open' else 'archived' end, pg_current_xact_id()
    from firsts f
    order by f.tenant collate "C", f.stream collate "C"
    on conflict (tenant, name) do update
    set transaction_id = greatest(excluded.transaction_id, s.transaction_id), version = excluded.version + case
      when (s.tenant, s.name) in (select f.tenant, f.stream from firsts f where f.expected = 'any') then s.version
      else 0
    end
    where s.state = 'open' and (
      (s.tenant, s.name, s.version) in (select f.tenant, f.stream, f.version from firsts f where f.expected = 'exactly')
      or s.version <= 2147483647 - excluded.version
        and (s.tenant, s.name) in (select f.tenant, f.stream from firsts f where f.expected = 'any')
    )
    returning s.id, s.tenant, s.name, s.version, s.state, s.transaction_id
  )
  select array_agg(f.place::integer) filter (where l.state = 'open'), array_agg(l.id) filter (where l.state = 'open'),
    array_agg(f.tenant) filter (where l.state = 'open'), array_agg(f.stream) filter (where l.state = 'open'),
    array_agg(l.version - f.events_count) filter (where l.state = 'open'),
    array_agg(l.transaction_id) filter (where l.state = 'open'),
    array_agg(f.place::integer) filter (where f.expected = 'any' and l.version > f.events_count),
    jsonb_agg(jsonb_build_object('tenant', l.tenant, 'name', l.name)) filter (where l.state <> 'open')
  into places, ids, tenants, names, before_batches, transactions, to_look_up, missing
  from locked l
  join firsts f on f.tenant = l.tenant and f.stream = l.name;

  if missing is not null then
    perform take_back(missing);
  end if;

  if to_look_up is not null then
    select array_agg(distinct e.request) into known
    from json_to_recordset(batch) as e (request integer, "eventId" uuid)
    join unnest(places, tenants, names) as l (request, tenant, name) on l.request = e.request
    -- As it is written, only the index on event ids fits, whatever the planner knows of the table.
    cross join lateral (
      select from events r
      where r.event_id = e."eventId" and r.tenant || '' = l.tenant and r.stream || '' = l.name
      limit 1
    ) recorded
    where e.request = any (to_look_up);
    if known is not null then
      update streams s set version = l.before_batch
      from unnest(places, tenants, names, before_batches) as l (request, tenant, name, before_batch)
      where s.tenant = l.tenant and s.name = l.name and l.request = any (known);
    end if;
  end if;

  with written as (
    insert into events (transaction_id, stream_id, tenant, stream, version, event_id, type, schema_version, data, metadata)
    select l.transaction_id, l.id, l.tenant, l.name, l.before_batch + e.place, e."eventId", e.type, e."schemaVersion",
      coalesce(e.data, 'null'), e.metadata
    from json_to_recordset(batch) as e (
      request integer, place integer, "eventId" uuid, type text, "schemaVersion" smallint, data json, metadata json
    )
    join unnest(places, ids, tenants, names, before_batches, transactions)
      as l (request, id, tenant, name, before_batch, transaction_id) on l.request = e.request
    where known is null or e.request <> all (known)
    order by e.request, e.place
    returning stream_id, version, transaction_id, position
  ),
  by_stream as (
    select w.stream_id, jsonb_build_object('appended', jsonb_build_array(jsonb_build_object(
        'outcome', 'appended',
        'version', max(w.version),
        'transaction_id', w.transaction_id::text,
        'position', max(w.position)::text
      ))) as answer, count(*) as written_count
    from written w
    group by w.stream_id, w.transaction_id
  )
  select array_agg(b.answer order by given.place),
    count(l.request) filter (
      where (known is null or l.request <> all (known)) and b.written_count is distinct from given.events_count)
  into answers, wrong_count
  from rows from (json_to_recordset(requests) as (count integer)) with ordinality as given (events_count, place)
  left join unnest(places, ids) as l (request, id) on l.request = given.place
  left join by_stream b on b.stream_id = l.id;
  if wrong_count > 0 then
    raise exception 'the events of % appends were not all written', wrong_count using errcode = 'data_corrupted';
  end if;

  if array_position(answers, null) is null then
    return to_jsonb(answers);
  end if;
  return append_left(requests, batch, answers);
end
$$;

-- The same where every request expects an exact version, as nearly all do: the locks, the rows and the events are one statement, in half
-- the time.
create function append_events_exactly(requests json, batch json) returns text
language plpgsql volatile set search_path from current set lock_timeout = '100ms' as $$
declare
  answers text[];
  wrong_count integer;
  missing jsonb;
begin
  with given as materialized (
    select *
    from rows from (
      json_to_recordset(requests) as (tenant text, stream text, version integer, count integer)
    ) with ordinality as g (tenant, stream, version, events_count, place)
  ),
  firsts as materialized (
    select distinct on (g.tenant collate "C", g.stream collate "C") g.*
    from given g
    order by g.tenant collate "C", g.stream collate "C", g.place
  ),
  locked as (
    insert into streams as s (tenant, name, version, state, transaction_id)
    -- The state says how many events the row is moved by. A row that keeps such a state was not there to be moved.
    select f.tenant, f.stream, f.version + f.events_count, case f.version when 0 then 'open' else f.events_count::text end,
      pg_current_xact_id()
    from firsts f
    order by f.tenant collate "C", f.stream collate "C"
    on conflict (tenant, name) do update
    set version = excluded.version, transaction_id = greatest(excluded.transaction_id, s.transaction_id)
    where s.state = 'open'
      and case excluded.state when 'open' then false else s.version = excluded.version - excluded.state::integer end
    returning s.id, s.tenant, s.name, s.state, s.transaction_id
  ),
  written as (
    insert into events (transaction_id, stream_id, tenant, stream, version, event_id, type, schema_version, data, metadata)
    select l.transaction_id, l.id, l.tenant, l.name, f.version + e.place, e."eventId", e.type, e."schemaVersion",
      coalesce(e.data, 'null'), e.metadata
    from json_to_recordset(batch) as e (
      request integer, place integer, "eventId" uuid, type text, "schemaVersion" smallint, data json, metadata json
    )
    join firsts f on f.place = e.request
    join locked l on l.tenant = f.tenant and l.name = f.stream
    where l.state = 'open'
    order by e.request, e.place
    returning stream_id, version, transaction_id, position
  ),
  by_stream as (
    select w.stream_id, w.transaction_id, max(w.version) as version, max(w.position) as position, count(*) as written_count
    from written w
    group by 1, 2
  )
  select array_agg(case when b.written_count > 0 then
      format('{"appended": [{"outcome": "appended", "version": %s, "transaction_id": "%s", "position": "%s"}]}',
        b.version, b.transaction_id, b.position)
      end order by g.place),
    count(*) filter (where l.state = 'open' and b.written_count is distinct from g.events_count),
    (select jsonb_agg(jsonb_build_object('tenant', l.tenant, 'name', l.name)) from locked l where l.state <> 'open')
  into answers, wrong_count, missing
  from given g
  left join firsts f on f.place = g.place
  left join locked l on l.tenant = f.tenant and l.name = f.stream
  left join by_stream b on b.stream_id = l.id;

  if wrong_count > 0 then
    raise exception 'the events of % appends were not all written', wrong_count using errcode = 'data_corrupted';
  end if;
  if missing is not null then
    perform take_back(missing);
  end if;
  if array_position(answers, null) is null then
    return '[' || array_to_string(answers, ',') || ']';
  end if;
  return append_left(requests, batch, answers::jsonb[])::text;
end
$$;

-- Archives, reopens or tombstones a stream:
--   {"outcome": "marked", "version"} | {"outcome": "missing" | "tombstoned"} | {"outcome": "conflict", "version"}
create function mark_stream(owner text, stream_name text, mark text, expected text, expected_version integer)
returns jsonb
language plpgsql volatile set search_path from current as $$
declare
  locked streams;
begin
  select * into locked from streams s where s.tenant = owner and s.name = stream_name for update;
  if not found then
    return '{"outcome": "missing"}';
  end if;
  if locked.state = 'tombstoned' then
    return '{"outcome": "tombstoned"}';
  end if;
  -- A stream that has a row has events, so \`any\` and \`streamExists\` are met.
  if expected = 'exactly' and locked.version <> expected_version then
    return jsonb_build_object('outcome', 'conflict', 'version', locked.version);
  end if;
  update streams s set state = mark where s.tenant = owner and s.name = stream_name and s.state <> mark;
  return jsonb_build_object('outcome', 'marked', 'version', locked.version);
end
$$;
`,
  },
  {
    id: 2,
    file: '0002.do.snapshots.sql',
    checksum: '134c0c0f72bc2bee6b07dce517ef40e89e27c84f2f976ea4300849ead646dc28',
    sql: `-- Snapshots: a folded state beside its stream, a shortcut that can be thrown away at any time.
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
`,
  },
  {
    id: 3,
    file: '0003.do.leases.sql',
    checksum: 'ffec5344da8d51d02f942882299b7294081cfd7636e9b69777202c2e1749ad34',
    sql: `-- Leases: who may do a thing for a while, and appends that are refused once the lease has gone to somebody else.
-- Older code survives it: it sends no fences, and without one an append goes as before.

create table leases (
  name text collate "C" not null,
  -- Grows with every holder, so that a slow old one is known by its number.
  token bigint not null,
  holder text not null,
  -- By the clock of this server alone. Released: -infinity.
  expires_at timestamp with time zone not null,
  constraint leases_pkey primary key (name),
  constraint leases_token_counts check (token >= 1)
) with (fillfactor = 70);

-- Takes a lease that is free or has expired, under the next token:
--   {"outcome": "acquired", "token"} | {"outcome": "held", "token", "holder", "expires_in_ms"}
create function acquire_lease(lease text, new_holder text, ttl_ms integer) returns jsonb
language plpgsql volatile set search_path from current as $$
declare
  taken bigint;
  current leases;
begin
  insert into leases as l (name, token, holder, expires_at)
  values (lease, 1, new_holder, clock_timestamp() + ttl_ms * interval '1 millisecond')
  on conflict (name) do update
  set token = l.token + 1, holder = new_holder, expires_at = clock_timestamp() + ttl_ms * interval '1 millisecond'
  where l.expires_at <= clock_timestamp()
  returning l.token into taken;
  if taken is not null then
    return jsonb_build_object('outcome', 'acquired', 'token', taken);
  end if;
  select * into strict current from leases l where l.name = lease;
  return jsonb_build_object(
    'outcome', 'held',
    'token', current.token,
    'holder', current.holder,
    'expires_in_ms',
    greatest(0, ceil(extract(epoch from greatest(current.expires_at, clock_timestamp()) - clock_timestamp()) * 1000))
  );
end
$$;

-- Whether the lease is still the holder's, under the row lock that keeps others from taking it until this transaction ends.
create function holds_lease(lease text, held_token bigint) returns boolean
language plpgsql volatile as $$
begin
  perform from leases l
  where l.name = lease and l.token = held_token and l.expires_at > '-infinity' for share;
  return found;
end
$$;

-- An answer as that of append_many where something stands against the requests: the refusal of the one at \`refused\` (1 is the first),
-- unless all of them were written before. A repeat is recognised although what it was written under is lost since. A batch without
-- events leaves no trace: where it is met still, the others speak for it.
create function refused_unless_recorded(requests jsonb, refused integer, refusal jsonb) returns jsonb
language plpgsql volatile as $$
declare
  request record;
  found_stream streams;
  answer jsonb;
  answers jsonb := '[]';
  is_recorded boolean := false;
begin
  for request in
    select value, value ->> 'tenant' as tenant, value ->> 'stream' as stream,
      jsonb_array_length(value -> 'events') as events_count
    from jsonb_array_elements(requests) with ordinality as given (value, place)
    order by place
  loop
    select * into found_stream from streams s where s.tenant = request.tenant and s.name = request.stream;
    answer := judge_append(
      request.value, found_stream.id, coalesce(found_stream.version, 0), coalesce(found_stream.state, 'open'));
    if answer is null and request.events_count = 0 then
      answer := jsonb_build_object(
        'outcome', 'appended', 'version', coalesce(found_stream.version, 0), 'transaction_id', '0', 'position', '0');
    elsif answer ->> 'outcome' is distinct from 'idempotent' then
      return jsonb_build_object('refused', refused - 1, 'answer', refusal);
    else
      is_recorded := true;
    end if;
    answers := answers || jsonb_build_array(answer);
  end loop;
  if not is_recorded then
    return jsonb_build_object('refused', refused - 1, 'answer', refusal);
  end if;
  return jsonb_build_object('appended', answers);
end
$$;

-- What appends under leases come to where one of the leases is lost: null where all are held, else an answer as that of
-- append_many, the refusal being {"outcome": "lease_lost"}. Nothing can be on the way still, since an append holds the
-- lease's row until its end.
create function judge_fences(requests jsonb) returns jsonb
language plpgsql volatile as $$
declare
  request record;
  lost integer;
begin
  for request in
    select place::integer as place, value -> 'fence' ->> 'lease' as lease, (value -> 'fence' ->> 'token')::bigint as token
    from jsonb_array_elements(requests) with ordinality as given (value, place)
    where value ? 'fence'
    order by value -> 'fence' ->> 'lease' collate "C"
  loop
    if not holds_lease(request.lease, request.token) then
      lost := least(coalesce(lost, request.place), request.place);
    end if;
  end loop;
  if lost is null then
    return null;
  end if;
  return refused_unless_recorded(requests, lost, jsonb_build_object('outcome', 'lease_lost'));
end
$$;

-- What the adapter calls; see append_many for the words. A request may have a "fence": {"lease", "token"}.
create or replace function append_events(requests jsonb) returns jsonb
language plpgsql volatile set search_path from current as $$
declare
  answer jsonb;
begin
  if requests @? '$[*].fence' then
    answer := judge_fences(requests);
    if answer is not null then
      return answer;
    end if;
  end if;
  if jsonb_array_length(requests) = 1 then
    answer := append_one(requests -> 0);
    if answer is not null then
      return answer;
    end if;
  end if;
  return append_many(requests);
end
$$;
`,
  },
  {
    id: 4,
    file: '0004.do.message-queue.sql',
    checksum: 'fb29c63bef165ba2232c117dd2686e81529591a5a82dfe0ab596d05a91f9d83b',
    sql: `-- The message queue: messages wait here until they are handled, in order for each key; an append may enqueue some.
-- Older code survives it: it enqueues nothing, and an append without messages goes as before.

create table messages (
  tenant text collate "C" not null,
  queue text collate "C" not null,
  id text collate "C" not null,
  key text collate "C" not null,
  -- Of the key. Computed by the program, so that the number of partitions can change: a partition is some of the slots.
  slot smallint not null,
  -- Order of the messages of one key. It is given under the lock of the key's row in message_keys, which is held until
  -- the transaction ends: so no smaller one of the key becomes visible later. A delayed message gets another when it is due.
  position bigint not null generated always as identity,
  -- delayed: not due, without a place in the order of its key. waiting: also while a worker has it in hand, and until it is
  -- tried again. parked: not until somebody says so. handled: also discarded or cancelled; only the id counts.
  state text not null,
  due_at timestamp with time zone not null,
  attempt integer not null default 0,
  -- The last attempt that stands in the history, of those since it was let go last.
  attempt_noted integer not null default 0,
  type text collate "C" not null,
  schema_version smallint not null,
  data jsonb not null,
  metadata jsonb not null,
  history jsonb not null default '[]',
  enqueued_at timestamp(3) with time zone not null default clock_timestamp(),
  handled_at timestamp with time zone,
  constraint messages_pkey primary key (tenant, queue, id),
  constraint messages_state_known check (state in ('delayed', 'waiting', 'parked', 'handled'))
) with (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.02);

create index messages_line on messages (tenant, queue, key, position) where state in ('waiting', 'parked');
create index messages_delayed on messages (queue, due_at) where state = 'delayed';
create index messages_parked on messages (position) where state = 'parked';
create index messages_handled on messages (handled_at) where state = 'handled';

-- One row for each key that has messages in line. Workers look here, so that what waits behind the first message of a key
-- costs them nothing, were it a million.
create table message_keys (
  tenant text collate "C" not null,
  queue text collate "C" not null,
  key text collate "C" not null,
  slot smallint not null,
  -- That of the first message in line; infinity where it is parked.
  due_at timestamp with time zone not null,
  -- Messages in line, the parked one included.
  in_line integer not null,
  constraint message_keys_pkey primary key (queue, tenant, key)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);

create index message_keys_due on message_keys (queue, slot, due_at);

-- How many messages of a queue are not handled: the sum of its shards. A connection counts in a shard of its own, if it
-- can, so that those who enqueue do not wait for each other; one shard alone means nothing, and may be negative.
create table message_counts (
  queue text collate "C" not null,
  shard smallint not null,
  unhandled bigint not null,
  constraint message_counts_pkey primary key (queue, shard)
) with (fillfactor = 50);

-- A plan that was made while these tables were empty is kept, and would read all of them once they are not: so where a
-- function may only go by the indexes, it says so. And where it knows the id, it compares states with \`is not distinct
-- from\`, which no partial index promises: so that it goes by the id, and not through all messages of that state.
--
-- The order of locks: a lease, streams, message_keys (by queue, tenant and key), messages, message_counts.

create function count_messages(changes jsonb) returns void
language sql volatile set search_path from current as $$
  insert into message_counts as c (queue, shard, unhandled)
  select value ->> 'queue', pg_backend_pid() % 64, sum((value ->> 'count')::integer)
  from jsonb_array_elements(changes)
  group by 1
  having sum((value ->> 'count')::integer) <> 0
  order by 1
  on conflict (queue, shard) do update set unhandled = c.unhandled + excluded.unhandled
$$;

-- Sets right the rows of keys whose messages in line have changed, by "change" in number: when the first one is due; and
-- that a key without messages has no row.
create function refresh_keys(changes jsonb) returns void
language plpgsql volatile set search_path from current set enable_seqscan = off set enable_hashjoin = off
set enable_mergejoin = off set jit = off as $$
begin
  delete from message_keys k
  using jsonb_array_elements(changes)
  where k.queue = value ->> 'queue' and k.tenant = value ->> 'tenant' and k.key = value ->> 'key'
    and k.in_line + (value ->> 'change')::integer <= 0;
  update message_keys k
  set in_line = k.in_line + (value ->> 'change')::integer, due_at = coalesce((
    select case m.state when 'parked' then 'infinity' else m.due_at end
    from messages m
    where m.tenant = k.tenant and m.queue = k.queue and m.key = k.key and m.state in ('waiting', 'parked')
    order by m.position
    limit 1
  ), k.due_at)
  from jsonb_array_elements(changes)
  where k.queue = value ->> 'queue' and k.tenant = value ->> 'tenant' and k.key = value ->> 'key';
end
$$;

-- Enqueues all messages or none, in order; an id that the queue knows is passed over:
--   {"outcome": "enqueued", "added": [{"tenant", "queue", "id"}]} | {"outcome": "full", "queue", "depth"}
-- A message: {"tenant", "queue", "id", "key", "slot", "type", "schemaVersion", "data", "metadata", "delayMs"}.
create function enqueue_messages(batch jsonb, depth_max bigint) returns jsonb
language plpgsql volatile set search_path from current set enable_seqscan = off set enable_hashjoin = off
set enable_mergejoin = off set jit = off as $$
declare
  moment constant timestamp with time zone := clock_timestamp();
  over_full record;
  lines jsonb;
  added jsonb;
  changes jsonb;
begin
  if depth_max is not null then
    select given.queue, coalesce(sum(c.unhandled), 0) as depth into over_full
    from (
      select value ->> 'queue' as queue, count(distinct (value ->> 'tenant', value ->> 'id')) as new_count
      from jsonb_array_elements(batch)
      where not exists (
        select from messages m
        where m.tenant = value ->> 'tenant' and m.queue = value ->> 'queue' and m.id = value ->> 'id'
      )
      group by 1
    ) given
    left join message_counts c on c.queue = given.queue
    group by given.queue, given.new_count
    having coalesce(sum(c.unhandled), 0) + given.new_count > depth_max
    order by given.queue
    limit 1;
    if found then
      return jsonb_build_object('outcome', 'full', 'queue', over_full.queue, 'depth', greatest(0, over_full.depth));
    end if;
  end if;

  -- 1. The keys, locked before positions are given.
  with given as (
    select value ->> 'queue' as queue, value ->> 'tenant' as tenant, value ->> 'key' as key,
      min((value ->> 'slot')::smallint) as slot, count(distinct value ->> 'id')::integer as in_line
    from jsonb_array_elements(batch)
    where (value ->> 'delayMs')::bigint = 0 and not exists (
      select from messages m
      where m.tenant = value ->> 'tenant' and m.queue = value ->> 'queue' and m.id = value ->> 'id'
    )
    group by 1, 2, 3
  ),
  locked as (
    insert into message_keys as k (queue, tenant, key, slot, due_at, in_line)
    select g.queue, g.tenant, g.key, g.slot, moment, g.in_line
    from given g
    order by g.queue collate "C", g.tenant collate "C", g.key collate "C"
    on conflict (queue, tenant, key) do update set in_line = k.in_line + excluded.in_line
    returning k.queue
  )
  select coalesce(jsonb_agg(to_jsonb(g)), '[]') into lines from given g where (select count(*) from locked) > 0;

  -- 2. The messages. Where another transaction enqueues the same id, this waits for its end.
  with written as (
    insert into messages as m
      (tenant, queue, id, key, slot, state, due_at, type, schema_version, data, metadata)
    select value ->> 'tenant', value ->> 'queue', value ->> 'id', value ->> 'key', (value ->> 'slot')::smallint,
      case when (value ->> 'delayMs')::bigint = 0 then 'waiting' else 'delayed' end,
      moment + (value ->> 'delayMs')::bigint * interval '1 millisecond',
      value ->> 'type', (value ->> 'schemaVersion')::smallint, value -> 'data', value -> 'metadata'
    from jsonb_array_elements(batch) with ordinality as given (value, place)
    order by place
    on conflict do nothing
    returning m.tenant, m.queue, m.id, m.key, m.state
  ),
  -- 3. What became known between the two, and ids that stand twice in the batch under two keys, are taken off again.
  by_key as (
    select queue, tenant, key, count(*) as written from written where state = 'waiting' group by 1, 2, 3
    union all
    select g.queue, g.tenant, g.key, -g.in_line
    from jsonb_to_recordset(lines) as g (queue text, tenant text, key text, in_line integer)
  )
  select
    (select coalesce(jsonb_agg(jsonb_build_object('tenant', tenant, 'queue', queue, 'id', id)), '[]') from written),
    (
      select jsonb_agg(jsonb_build_object('queue', c.queue, 'tenant', c.tenant, 'key', c.key, 'change', c.change))
      from (
        select b.queue, b.tenant, b.key, sum(b.written) as change
        from by_key b
        group by 1, 2, 3
        having sum(b.written) <> 0
      ) c
    )
  into added, changes;
  if changes is not null then
    perform refresh_keys(changes);
  end if;
  if added <> '[]' then
    perform count_messages((
      select jsonb_agg(jsonb_build_object('queue', queue, 'count', count))
      from (select value ->> 'queue' as queue, count(*) as count from jsonb_array_elements(added) group by 1) counted
    ));
  end if;
  return jsonb_build_object('outcome', 'enqueued', 'added', added);
end
$$;

-- Gives delayed messages that are due their places in the lines of their keys, some hundred at a time. Whose partition they
-- are of does not matter; one transaction at a time does it, so that those of one key come in the order in which they are due.
create function release_messages(from_queue text) returns void
language plpgsql volatile set search_path from current set enable_seqscan = off set enable_hashjoin = off
set enable_mergejoin = off set jit = off as $$
declare
  moment constant timestamp with time zone := clock_timestamp();
  due record;
  released jsonb := '[]';
begin
  perform from messages m where m.queue = from_queue and m.state = 'delayed' and m.due_at <= moment limit 1;
  if not found or not pg_try_advisory_xact_lock(
    hashtextextended(format('watersmeet %s %s', current_schema(), from_queue), 0)
  ) then
    return;
  end if;
  -- The keys first. One that is new here has no message yet, and is taken away again below if it gets none.
  insert into message_keys as k (queue, tenant, key, slot, due_at, in_line)
  select distinct from_queue, d.tenant, d.key, d.slot, 'infinity'::timestamp with time zone, 0
  from (
    select m.tenant, m.key, m.slot from messages m
    where m.queue = from_queue and m.state = 'delayed' and m.due_at <= moment
    order by m.due_at, m.position
    limit 256
  ) d
  order by d.tenant, d.key
  on conflict (queue, tenant, key) do update set in_line = k.in_line;
  for due in
    select m.tenant, m.id, m.key from messages m
    where m.queue = from_queue and m.state = 'delayed' and m.due_at <= moment
    order by m.due_at, m.position
    limit 256
  loop
    update messages m set state = 'waiting', position = default
    where m.tenant = due.tenant and m.queue = from_queue and m.id = due.id
      and m.state is not distinct from 'delayed';
    released := released || jsonb_build_array(
      jsonb_build_object('tenant', due.tenant, 'key', due.key, 'count', found::integer));
  end loop;
  perform refresh_keys((
    select jsonb_agg(jsonb_build_object('queue', from_queue, 'tenant', r.tenant, 'key', r.key, 'change', r.change))
    from (
      select value ->> 'tenant' as tenant, value ->> 'key' as key, sum((value ->> 'count')::integer) as change
      from jsonb_array_elements(released)
      group by 1, 2
    ) r
  ));
end
$$;

create function message_as_json(message messages) returns jsonb
language sql stable as $$
  select jsonb_build_object(
    'tenant', message.tenant,
    'queue', message.queue,
    'id', message.id,
    'key', message.key,
    'type', message.type,
    'schema_version', message.schema_version,
    'data', message.data,
    'metadata', message.metadata,
    'attempt', message.attempt,
    'position', message.position::text,
    'enqueued_at', to_char(message.enqueued_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
  )
$$;

-- Takes the first message of each of several keys of a partition, where it is due, and counts the attempt:
--   {"outcome": "taken", "messages": [...]} | {"outcome": "lease_lost"}
-- \`except\`: [[tenant, key]]. Each slot is looked into for its keys that are due longest: a partition that nobody works on
-- costs the others nothing. Of one slot no more than a few times its share are taken at once.
create function take_messages(
  from_queue text, part integer, parts integer, count_max integer, except_keys jsonb, lease text, token bigint
) returns jsonb
language plpgsql volatile set search_path from current set enable_seqscan = off set enable_hashjoin = off
set enable_mergejoin = off set jit = off as $$
declare
  slot_max constant integer := least(count_max, greatest(8, count_max * 4 * parts / 1024));
  excepted constant text[] := array(select value::text from jsonb_array_elements(except_keys));
  moment timestamp with time zone;
  taken jsonb;
begin
  if lease is not null and not holds_lease(lease, token) then
    return '{"outcome": "lease_lost"}';
  end if;
  perform release_messages(from_queue);
  moment := clock_timestamp();
  with due_keys as materialized (
    select k.tenant, k.key, k.due_at
    from generate_series(part, 1023, parts) as slots (slot)
    cross join lateral (
      select mk.tenant, mk.key, mk.due_at
      from message_keys mk
      where mk.queue = from_queue and mk.slot = slots.slot and mk.due_at <= moment
        and jsonb_build_array(mk.tenant, mk.key)::text <> all (excepted)
      order by mk.due_at
      limit slot_max
    ) k
    order by k.due_at
    limit count_max
  ),
  first_ones as materialized (
    select m.tenant, m.queue, m.id
    from due_keys d
    cross join lateral (
      select line.tenant, line.queue, line.id
      from messages line
      where line.tenant = d.tenant and line.queue = from_queue and line.key = d.key
        and line.state in ('waiting', 'parked')
      order by line.position
      limit 1
    ) m
  ),
  attempted as (
    update messages m set attempt = m.attempt + 1
    from first_ones f
    where m.tenant = f.tenant and m.queue = f.queue and m.id = f.id
      and m.state is not distinct from 'waiting' and m.due_at <= moment
    returning m.due_at, m.position, message_as_json(m) as message
  )
  select jsonb_agg(a.message order by a.due_at, a.position) into taken from attempted a;
  return jsonb_build_object('outcome', 'taken', 'messages', coalesce(taken, '[]'));
end
$$;

-- Takes messages out of their lines for good: they are handled, discarded or cancelled. The answer counts them:
--   {"outcome": "finished", "count"} | {"outcome": "lease_lost"}
-- \`only_state\`: pass over those in another one; null: any. A message: {"tenant", "queue", "id"}.
create function finish_messages(batch jsonb, only_state text, lease text, token bigint) returns jsonb
language plpgsql volatile set search_path from current set enable_seqscan = off set enable_hashjoin = off
set enable_mergejoin = off set jit = off as $$
declare
  finished jsonb;
begin
  if lease is not null and not holds_lease(lease, token) then
    return '{"outcome": "lease_lost"}';
  end if;
  perform from message_keys k
  where (k.queue, k.tenant, k.key) in (
    select m.queue, m.tenant, m.key
    from jsonb_array_elements(batch)
    join messages m on m.tenant = value ->> 'tenant' and m.queue = value ->> 'queue' and m.id = value ->> 'id'
  )
  order by k.queue, k.tenant, k.key
  for update;
  with found_ones as materialized (
    select m.tenant, m.queue, m.id, m.key, m.state
    from messages m
    where (m.tenant, m.queue, m.id) in (
        select value ->> 'tenant', value ->> 'queue', value ->> 'id' from jsonb_array_elements(batch)
      )
      and m.state <> 'handled' and m.state = coalesce(only_state, m.state)
    order by m.tenant, m.queue, m.id
    for update
  ),
  -- What a message held is not needed any more; its id stays known.
  written as (
    update messages m
    set state = 'handled', handled_at = clock_timestamp(), data = 'null', metadata = '{}', history = '[]'
    from found_ones f
    where m.tenant = f.tenant and m.queue = f.queue and m.id = f.id
    returning f.queue, f.tenant, f.key, f.state
  )
  select jsonb_agg(by_key) into finished
  from (
    select queue, tenant, key, -count(*) as count, -count(*) filter (where state <> 'delayed') as change
    from written
    group by 1, 2, 3
  ) by_key;
  if finished is null then
    return '{"outcome": "finished", "count": 0}';
  end if;
  perform refresh_keys(finished);
  perform count_messages(finished);
  return jsonb_build_object(
    'outcome', 'finished',
    'count', (select -sum((value ->> 'count')::integer) from jsonb_array_elements(finished))
  );
end
$$;

-- Notes that the latest attempt of a waiting message failed. Tried again after \`retry_ms\`; null: parked. An attempt is
-- noted once, so that a repeat of this changes nothing.
--   {"outcome": "noted" | "passed_over" | "lease_lost"}
create function fail_message(
  owner text, from_queue text, message_id text, error text, retry_ms bigint, lease text, token bigint
) returns jsonb
language plpgsql volatile set search_path from current as $$
declare
  moment constant timestamp with time zone := clock_timestamp();
  key_of text;
begin
  if lease is not null and not holds_lease(lease, token) then
    return '{"outcome": "lease_lost"}';
  end if;
  select m.key into key_of from messages m
  where m.tenant = owner and m.queue = from_queue and m.id = message_id
    and m.state is not distinct from 'waiting' and m.attempt > 0;
  perform from message_keys k where k.queue = from_queue and k.tenant = owner and k.key = key_of for update;
  update messages m
  set state = case when retry_ms is null then 'parked' else 'waiting' end,
    due_at = case when retry_ms is null then m.due_at else moment + retry_ms * interval '1 millisecond' end,
    attempt_noted = m.attempt,
    history = case
      when m.attempt = m.attempt_noted then m.history
      else m.history || jsonb_build_array(jsonb_build_object(
        'attempt', m.attempt,
        'at', to_char(moment at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
        'error', error
      ))
    end
  -- One that was let go since and has not begun again: this is the repeat of a call whose answer was lost.
  where m.tenant = owner and m.queue = from_queue and m.id = message_id
    and m.state is not distinct from 'waiting' and m.attempt > 0;
  if not found then
    return '{"outcome": "passed_over"}';
  end if;
  perform refresh_keys(jsonb_build_array(
    jsonb_build_object('queue', from_queue, 'tenant', owner, 'key', key_of, 'change', 0)));
  return '{"outcome": "noted"}';
end
$$;

-- Lets a parked message be handled again, with all its attempts; false where it is not parked.
create function retry_message(owner text, from_queue text, message_id text) returns boolean
language plpgsql volatile set search_path from current as $$
declare
  key_of text;
begin
  select m.key into key_of from messages m
  where m.tenant = owner and m.queue = from_queue and m.id = message_id
    and m.state is not distinct from 'parked';
  perform from message_keys k where k.queue = from_queue and k.tenant = owner and k.key = key_of for update;
  update messages m set state = 'waiting', attempt = 0, attempt_noted = 0, due_at = clock_timestamp()
  where m.tenant = owner and m.queue = from_queue and m.id = message_id
    and m.state is not distinct from 'parked';
  if not found then
    return false;
  end if;
  perform refresh_keys(jsonb_build_array(
    jsonb_build_object('queue', from_queue, 'tenant', owner, 'key', key_of, 'change', 0)));
  return true;
end
$$;

-- Enqueues what an append asks for, of those requests that were written now.
create function enqueue_appended(requests jsonb, answer jsonb) returns void
language plpgsql volatile set search_path from current as $$
begin
  if answer ? 'appended' then
    perform enqueue_messages(batch, null)
    from (
      select jsonb_agg(message.value order by request.place, message.place) as batch
      from jsonb_array_elements(requests) with ordinality as request (value, place)
      cross join lateral jsonb_array_elements(request.value -> 'enqueue') with ordinality as message (value, place)
      where answer -> 'appended' -> (request.place - 1)::integer ->> 'outcome' = 'appended'
    ) given
    where batch is not null;
  end if;
end
$$;

-- What the adapter calls; see append_many for the words. A request may have a "fence": {"lease", "token"}, and messages
-- to "enqueue": see enqueue_messages.
create or replace function append_events(requests jsonb) returns jsonb
language plpgsql volatile set search_path from current as $$
declare
  answer jsonb;
begin
  if requests @? '$[*].fence' then
    answer := judge_fences(requests);
    if answer is not null then
      return answer;
    end if;
  end if;
  if jsonb_array_length(requests) = 1 then
    answer := append_one(requests -> 0);
  end if;
  if answer is null then
    answer := append_many(requests);
  end if;
  if requests @? '$[*].enqueue' then
    perform enqueue_appended(requests, answer);
  end if;
  return answer;
end
$$;
`,
  },
  {
    id: 5,
    file: '0005.do.lease-scopes.sql',
    checksum: 'f8fe81ed09db412473a2930a8797d3c4eae53a43a5127578422d70b473057301',
    sql: `-- Leases on scopes: names that are paths, where a wider one excludes all that lie in it and the reverse.
-- Older code survives it: the leases that it takes by plain names are as before.

-- The answer for a lease that is in the way.
create function lease_held(l leases) returns jsonb
language sql volatile as $$
  select jsonb_build_object(
    'outcome', 'held',
    'name', l.name,
    'token', l.token,
    'holder', l.holder,
    'expires_in_ms',
    greatest(0, ceil(extract(epoch from greatest(l.expires_at, clock_timestamp()) - clock_timestamp()) * 1000))
  )
$$;

-- For what is looked at after a wait for a lock that ends with the transaction: where the transaction goes by one snapshot from its
-- beginning, the look would miss what was committed during the wait. The adapter knows the code, and asks again in a transaction that
-- reads what is committed.
create function needs_read_committed() returns void
language plpgsql volatile as $$
begin
  if current_setting('transaction_isolation') not in ('read committed', 'read uncommitted') then
    raise exception 'this is decided in read committed alone' using errcode = 'WM001';
  end if;
end
$$;

-- Takes the lease of a scope, named as 'scope:/product-1/assets', where all above and below it are free or have expired:
--   {"outcome": "acquired", "token", "recovered": [{"name", "token", "holder"}]}
--   {"outcome": "held", "name", "token", "holder", "expires_in_ms"}
-- Those that have expired are ended, so that what their holders append and renew later is refused.
--
-- Acquisitions under one widest segment take their turns by a lock that ends with the transaction; so none can come between the
-- look and the writing. Renewals do not wait for it: each lease is looked at again under its row lock. An append holds the row of
-- its lease until its end, hence is over before the lease is ended. Rows are locked in the order of names, as by appends.
create function acquire_scope(lease text, new_holder text, ttl_ms integer) returns jsonb
language plpgsql volatile set search_path from current as $$
declare
  parts constant text[] := string_to_array(lease, '/');
  -- From the widest scope to this one.
  path constant text[] := array(
    select array_to_string(parts[1:depth], '/') from generate_series(2, cardinality(parts)) as depth order by depth
  );
  other leases;
  open_names text[] := '{}';
  recovered jsonb := '[]';
  taken bigint;
begin
  perform needs_read_committed();
  perform pg_advisory_xact_lock(hashtextextended(path[1], 'leases'::regclass::oid::bigint));
  for other in
    select * from leases l
    where l.expires_at > '-infinity'
      -- What lies below begins with the path and '/'; '0' is the character after that.
      and (l.name = any (path) or (l.name collate "C" > lease || '/' and l.name collate "C" < lease || '0'))
    order by l.expires_at desc, l.name
  loop
    if other.expires_at > clock_timestamp() then
      return lease_held(other);
    end if;
    open_names := open_names || other.name;
  end loop;
  for other in
    select * from leases l where l.name = any (open_names) order by l.name for update
  loop
    if other.expires_at > clock_timestamp() then
      return lease_held(other);
    end if;
    if other.expires_at > '-infinity' then
      recovered := recovered || jsonb_build_object('name', other.name, 'token', other.token, 'holder', other.holder);
    end if;
  end loop;
  update leases l set expires_at = '-infinity' where l.name = any (open_names);
  insert into leases as l (name, token, holder, expires_at)
  values (lease, 1, new_holder, clock_timestamp() + ttl_ms * interval '1 millisecond')
  on conflict (name) do update
  set token = l.token + 1, holder = new_holder, expires_at = clock_timestamp() + ttl_ms * interval '1 millisecond'
  returning l.token into taken;
  return jsonb_build_object('outcome', 'acquired', 'token', taken, 'recovered', recovered);
end
$$;
`,
  },
  {
    id: 6,
    file: '0006.do.idempotency.sql',
    checksum: '19dedc300d942ac385552390401ebc3b1dedc92e5fa357d88294b0d730ab6b1f',
    sql: `-- Idempotency: what operations came to is remembered under business keys; an append may complete one.
-- Older code survives it: it knows no operations, and appends as before.

-- One for all keys, so that no token comes again, not even after its key was forgotten: a holder that sleeps for long is known
-- by it for ever.
create sequence idempotency_tokens as bigint;

create table idempotency (
  tenant text collate "C" not null,
  scope text collate "C" not null,
  key text collate "C" not null,
  request_hash text collate "C" not null,
  state text not null,
  token bigint not null,
  -- Of the call that began it last: where its answer is lost on the way, it asks again and knows itself by it.
  call_id uuid not null,
  attempt integer not null,
  holder text not null,
  keep interval not null,
  begun_at timestamp(3) with time zone not null,
  settled_at timestamp(3) with time zone,
  -- By the clock of this server alone, as expires_at: pending until then, and another may begin it after.
  stale_at timestamp with time zone not null,
  -- Unknown from then on.
  expires_at timestamp with time zone not null,
  error text,
  result jsonb,
  -- What correctness rests on: of those who begin one key at once, one makes the row.
  constraint idempotency_pkey primary key (tenant, scope, key),
  constraint idempotency_state_known check (state in ('pending', 'completed', 'failed'))
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);

create index idempotency_expires_at on idempotency (expires_at);

-- The order of locks: idempotency (by tenant, scope and key), then those of an append.

-- How an operation stands that may not be begun now, null where it may:
--   {"outcome": "completed", "result", "completed_at"} | {"outcome": "in_progress", "holder", "expires_in_ms"}
--   {"outcome": "reused", "request_hash"} | {"outcome": "failed", "attempt", "error"}
--   {"outcome": "acquired", "token", "attempt"}, where this very call has begun it already.
create function judge_operation(
  entry idempotency, hash text, attempts_max integer, this_call uuid, moment timestamp with time zone
) returns jsonb
language sql stable as $$
  select case
    when entry.expires_at <= moment then null
    when entry.request_hash <> hash then
      jsonb_build_object('outcome', 'reused', 'request_hash', entry.request_hash)
    when entry.state = 'completed' then jsonb_build_object(
      'outcome', 'completed',
      'result', entry.result,
      'completed_at', to_char(entry.settled_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
    )
    when entry.state = 'pending' and entry.call_id = this_call then
      jsonb_build_object('outcome', 'acquired', 'token', entry.token, 'attempt', entry.attempt)
    when entry.state = 'pending' and entry.stale_at > moment then jsonb_build_object(
      'outcome', 'in_progress',
      'holder', entry.holder,
      'expires_in_ms', ceil(extract(epoch from entry.stale_at - moment) * 1000)
    )
    when entry.attempt >= attempts_max then jsonb_build_object(
      'outcome', 'failed',
      'attempt', entry.attempt,
      'error', case entry.state when 'failed' then entry.error else entry.holder || ' did not come back' end
    )
  end
$$;

-- Begins an operation that is new, has failed, or whose holder did not come back, under the next token; else says how it
-- stands. See judge_operation for the words of the answer.
create function begin_operation(
  owner text, of_scope text, with_key text, hash text, new_holder text, pending_ms bigint, keep_ms bigint,
  attempts_max integer, this_call uuid
) returns jsonb
language plpgsql volatile set search_path from current as $$
declare
  keep_for constant interval := keep_ms * interval '1 millisecond';
  pending_for constant interval := pending_ms * interval '1 millisecond';
  entry idempotency;
  moment timestamp with time zone;
  answer jsonb;
begin
  -- Those who repeat what is done, or wait for it, are the many: they lock nothing.
  select * into entry from idempotency i where i.tenant = owner and i.scope = of_scope and i.key = with_key;
  if found then
    answer := judge_operation(entry, hash, attempts_max, this_call, clock_timestamp());
    if answer is not null then
      return answer;
    end if;
  end if;

  for try in 1..100 loop
    moment := clock_timestamp();
    insert into idempotency (
      tenant, scope, key, request_hash, state, token, call_id, attempt, holder, keep, begun_at, stale_at, expires_at
    )
    values (
      owner, of_scope, with_key, hash, 'pending', nextval('idempotency_tokens'), this_call, 1, new_holder, keep_for, moment,
      moment + pending_for, moment + pending_for + keep_for
    )
    on conflict do nothing
    returning * into entry;
    if found then
      return jsonb_build_object('outcome', 'acquired', 'token', entry.token, 'attempt', 1);
    end if;
    select * into entry from idempotency i
    where i.tenant = owner and i.scope = of_scope and i.key = with_key
    for update;
    -- Else it was deleted between the two.
    exit when found;
    if try = 100 then
      raise exception 'an operation was begun and forgotten 100 times' using errcode = 'serialization_failure';
    end if;
  end loop;

  -- Read again: the lock may have been waited for.
  moment := clock_timestamp();
  answer := judge_operation(entry, hash, attempts_max, this_call, moment);
  if answer is not null then
    return answer;
  end if;
  update idempotency i
  set request_hash = hash, state = 'pending', token = nextval('idempotency_tokens'), call_id = this_call,
    attempt = case when entry.expires_at <= moment then 1 else entry.attempt + 1 end,
    holder = new_holder, keep = keep_for, begun_at = moment, settled_at = null, stale_at = moment + pending_for,
    expires_at = moment + pending_for + keep_for, error = null, result = null
  where i.tenant = owner and i.scope = of_scope and i.key = with_key
  returning * into strict entry;
  return jsonb_build_object('outcome', 'acquired', 'token', entry.token, 'attempt', entry.attempt);
end
$$;

-- Says how an operation ended; false where it is not its holder's any more. The same again changes nothing.
create function settle_operation(
  owner text, of_scope text, with_key text, held_token bigint, end_state text, end_result jsonb, end_error text
) returns boolean
language plpgsql volatile set search_path from current as $$
declare
  moment constant timestamp with time zone := clock_timestamp();
begin
  update idempotency i
  set state = end_state, result = end_result, error = end_error, settled_at = moment, expires_at = moment + i.keep
  where i.tenant = owner and i.scope = of_scope and i.key = with_key and i.token = held_token and i.state = 'pending';
  if found then
    return true;
  end if;
  perform from idempotency i
  where i.tenant = owner and i.scope = of_scope and i.key = with_key and i.token = held_token and i.state = end_state
    and i.result is not distinct from end_result;
  return found;
end
$$;

-- Appends, and completes operations in the same step; see append_many for the words. A request may have
-- "completes": {"scope", "key", "token", "result"}. Where one of them is not its holder's any more, the refusal is
-- {"outcome": "idempotency_lost"}; but a repeat of what was written is recognised. Nothing can be on the way still, since an
-- append holds the operation's row until its end.
create function append_completing(requests jsonb) returns jsonb
language plpgsql volatile set search_path from current as $$
declare
  request record;
  answer jsonb;
  lost integer;
begin
  for request in
    select place::integer as place, value ->> 'tenant' as tenant, value -> 'completes' ->> 'scope' as scope,
      value -> 'completes' ->> 'key' as key, (value -> 'completes' ->> 'token')::bigint as token
    from jsonb_array_elements(requests) with ordinality as given (value, place)
    where value ? 'completes'
    order by (value ->> 'tenant') collate "C", (value -> 'completes' ->> 'scope') collate "C",
      (value -> 'completes' ->> 'key') collate "C"
  loop
    perform from idempotency i
    where i.tenant = request.tenant and i.scope = request.scope and i.key = request.key and i.token = request.token
      and i.state = 'pending'
    for update;
    if not found then
      lost := least(coalesce(lost, request.place), request.place);
    end if;
  end loop;

  if lost is null then
    answer := append_events(requests);
    if not answer ? 'appended' then
      return answer;
    end if;
    perform settle_operation(
      value ->> 'tenant', value -> 'completes' ->> 'scope', value -> 'completes' ->> 'key',
      (value -> 'completes' ->> 'token')::bigint, 'completed', value -> 'completes' -> 'result', null)
    from jsonb_array_elements(requests)
    where value ? 'completes';
    return answer;
  end if;

  return refused_unless_recorded(requests, lost, '{"outcome": "idempotency_lost"}');
end
$$;

-- An operation as jsonb, in the words that the adapter decodes. Without its result, which may be large.
create function operation_as_json(entry idempotency, moment timestamp with time zone) returns jsonb
language sql stable as $$
  select jsonb_build_object(
    'tenant', entry.tenant,
    'scope', entry.scope,
    'key', entry.key,
    'state', entry.state,
    'request_hash', entry.request_hash,
    'token', entry.token,
    'attempt', entry.attempt,
    'holder', entry.holder,
    'begun_at', to_char(entry.begun_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
    'settled_at', to_char(entry.settled_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
    'stale_in_ms', case entry.state
      when 'pending' then greatest(0, ceil(extract(epoch from entry.stale_at - moment) * 1000))
    end,
    'expires_in_ms', ceil(extract(epoch from entry.expires_at - moment) * 1000),
    'error', entry.error
  )
$$;
`,
  },
  {
    id: 7,
    file: '0007.do.conditions.sql',
    checksum: '4e56d137c154a13e969091aefc4d34a9e5bdef3c590ef87a14f5c94eba3c81be',
    sql: `-- Tags of events, and appends under conditions over several streams: refused once an event that the writer had not seen has
-- certain tags.
-- Older code survives it: it writes no tags, and what it writes matches no condition.

create table event_tags (
  tenant text collate "C" not null,
  tag text collate "C" not null,
  stream text collate "C" not null,
  version integer not null,
  type text collate "C" not null,
  -- The event's place in the global order, as in events.
  transaction_id xid8 not null,
  position bigint not null,
  -- The transaction that wrote it. That of the event may be a higher one, see there; and a reader's snapshot tells what it
  -- has seen by the one that wrote.
  written_by xid8 not null,
  constraint event_tags_pkey primary key (tenant, tag, transaction_id, position)
);
-- What came lately, for conditions.
create index event_tags_written on event_tags (tenant, tag, written_by);
-- Whether an event has another tag as well.
create index event_tags_stream on event_tags (tenant, stream, version, tag);

-- Whether a tagged event fits one item of a query: {"tags": [...], "types": [...] or null}.
create function fits_item(tagged event_tags, item jsonb) returns boolean
language sql stable as $$
  select (jsonb_typeof(item -> 'types') <> 'array' or item -> 'types' ? tagged.type) and not exists (
    select from jsonb_array_elements_text(item -> 'tags') as wanted
    where wanted <> tagged.tag and not exists (
      select from event_tags other
      where other.tenant = tagged.tenant and other.stream = tagged.stream and other.version = tagged.version
        and other.tag = wanted
    )
  )
$$;

-- Events as place in the global order that fit any of the items, after a place, oldest first.
create function match_tags(owner text, items jsonb, after_transaction xid8, after_position bigint, max_count integer)
returns table (transaction_id xid8, "position" bigint, stream text, version integer)
language sql stable set search_path from current as $$
  select distinct matched.transaction_id, matched.position, matched.stream, matched.version
  from jsonb_array_elements(items) as item
  cross join lateral (
    select t.*
    from event_tags t
    where t.tenant = owner and t.tag = item -> 'tags' ->> 0
      and (t.transaction_id, t.position) > (after_transaction, after_position)
      and fits_item(t, item)
    order by t.transaction_id, t.position
    limit max_count
  ) matched
  order by matched.transaction_id, matched.position
  limit max_count
$$;

-- Makes writers of a tag and those who have a condition on it wait for each other. Held until the end of the transaction, and taken
-- before anything else, always in the same order. Writers of a tag do not wait for other writers of it. An event that a condition
-- matches has the first tag of an item, so that this one is enough.
-- Very many tags at once are one lock on all of them: a server has room for some thousand locks.
create function lock_tags(requests jsonb) returns void
language plpgsql volatile as $$
declare
  all_tags constant bigint := hashtextextended('event_tags', 1);
  keys bigint[];
  are_exclusive boolean[];
begin
  select array_agg(key order by key), array_agg(is_exclusive order by key) into keys, are_exclusive
  from (
    select hashtextextended(owner || ' ' || tag, 0) as key, bool_or(conditional) as is_exclusive
    from (
      select request ->> 'tenant' as owner, item -> 'tags' ->> 0 as tag, true as conditional
      from jsonb_array_elements(requests) as request, jsonb_array_elements(request -> 'condition' -> 'items') as item
      union all
      select request ->> 'tenant', tag, false
      from jsonb_array_elements(requests) as request, jsonb_array_elements(request -> 'events') as event,
        jsonb_array_elements_text(event -> 'metadata' -> 'tags') as tag
      where request ? 'tagged'
    ) wanted
    group by 1
  ) locks;
  if array_length(keys, 1) > 256 then
    perform pg_advisory_xact_lock(all_tags);
    return;
  end if;
  perform pg_advisory_xact_lock_shared(all_tags);
  for place in 1..coalesce(array_length(keys, 1), 0) loop
    if are_exclusive[place] then
      perform pg_advisory_xact_lock(keys[place]);
    else
      perform pg_advisory_xact_lock_shared(keys[place]);
    end if;
  end loop;
end
$$;

-- What appends under conditions come to where one of these fails: null where all hold, else an answer as that of append_many, the
-- refusal being {"outcome": "condition_failed", "events": [...]} or {"outcome": "epoch_changed", "epoch"}. The tags' locks are held, and this
-- statement sees what was committed up to then, so that nothing can come between this and the append.
create function judge_conditions(requests jsonb) returns jsonb
language plpgsql volatile as $$
declare
  request record;
  store_epoch text;
  snapshot pg_snapshot;
  unseen jsonb;
begin
  select store_id::text || '/' || system_identifier into strict store_epoch from store_info;
  for request in
    select place::integer as place, value ->> 'tenant' as tenant, value -> 'condition' as condition
    from jsonb_array_elements(requests) with ordinality as given (value, place)
    where value ? 'condition'
    order by place
  loop
    if request.condition ->> 'epoch' <> store_epoch then
      return refused_unless_recorded(
        requests, request.place, jsonb_build_object('outcome', 'epoch_changed', 'epoch', store_epoch));
    end if;
    snapshot := (request.condition ->> 'snapshot')::pg_snapshot;
    select jsonb_agg(event_as_json(e) order by e.transaction_id, e.position) into unseen
    from (
      select distinct t.stream, t.version
      from jsonb_array_elements(request.condition -> 'items') as item
      cross join lateral (
        select t.*
        from event_tags t
        where t.tenant = request.tenant and t.tag = item -> 'tags' ->> 0
          and (snapshot is null
            or t.written_by >= pg_snapshot_xmin(snapshot) and not pg_visible_in_snapshot(t.written_by, snapshot))
          and fits_item(t, item)
        limit 16
      ) t
      limit 16
    ) matched
    join streams s on s.tenant = request.tenant and s.name = matched.stream
    join events e on e.stream_id = s.id and e.version = matched.version;
    if unseen is not null then
      return refused_unless_recorded(
        requests, request.place, jsonb_build_object('outcome', 'condition_failed', 'events', unseen));
    end if;
  end loop;
  return null;
end
$$;

-- Keeps the tags of what was appended, where anything was.
create function tag_appended(requests jsonb, answer jsonb) returns void
language sql volatile as $$
  insert into event_tags (tenant, tag, stream, version, type, transaction_id, position, written_by)
  select e.tenant, tag, e.stream, e.version, e.type, e.transaction_id, e.position, pg_current_xact_id()
  from jsonb_array_elements(requests) with ordinality as request (value, place)
  join jsonb_array_elements(answer -> 'appended') with ordinality as written (value, place) using (place)
  join streams s on s.tenant = request.value ->> 'tenant' and s.name = request.value ->> 'stream'
  join events e on e.stream_id = s.id
    and e.version between (written.value ->> 'version')::integer - jsonb_array_length(request.value -> 'events') + 1
      and (written.value ->> 'version')::integer
  cross join lateral json_array_elements_text(e.metadata -> 'tags') as tag
  where request.value ? 'tagged' and written.value ->> 'outcome' = 'appended'
$$;

-- What the adapter calls; see append_many for the words. A request may have a "fence": {"lease", "token"}, messages to "enqueue": see
-- enqueue_messages, "tagged": true where any of its events has tags, and a "condition": {"items": [{"tags", "types"}], "epoch", "snapshot"},
-- the last two null where nothing was seen.
create or replace function append_events(requests jsonb) returns jsonb
language plpgsql volatile set search_path from current as $$
declare
  has_conditions constant boolean := requests @? '$[*].condition';
  has_tags constant boolean := requests @? '$[*].tagged';
  answer jsonb;
begin
  if has_conditions then
    perform needs_read_committed();
  end if;
  if has_conditions or has_tags then
    perform lock_tags(requests);
  end if;
  if requests @? '$[*].fence' then
    answer := judge_fences(requests);
    if answer is not null then
      return answer;
    end if;
  end if;
  if has_conditions then
    answer := judge_conditions(requests);
    if answer is not null then
      return answer;
    end if;
  end if;
  if jsonb_array_length(requests) = 1 then
    answer := append_one(requests -> 0);
  end if;
  if answer is null then
    answer := append_many(requests);
  end if;
  if has_tags then
    perform tag_appended(requests, answer);
  end if;
  if requests @? '$[*].enqueue' then
    perform enqueue_appended(requests, answer);
  end if;
  return answer;
end
$$;
`,
  },
] as const;
