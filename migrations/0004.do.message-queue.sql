-- The message queue: messages wait here until they are handled, in order for each key; an append may enqueue some.
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
-- function may only go by the indexes, it says so. And where it knows the id, it compares states with `is not distinct
-- from`, which no partial index promises: so that it goes by the id, and not through all messages of that state.
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
-- `except`: [[tenant, key]]. Each slot is looked into for its keys that are due longest: a partition that nobody works on
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
-- `only_state`: pass over those in another one; null: any. A message: {"tenant", "queue", "id"}.
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

-- Notes that the latest attempt of a waiting message failed. Tried again after `retry_ms`; null: parked. An attempt is
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
