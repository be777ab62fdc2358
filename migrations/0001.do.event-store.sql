-- The event store: streams, their events in one global order, subscribers' checkpoints, and the life of the store.
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
-- The caller holds the stream's row lock. `stands_at` is 0 and `id` null where there is no such stream. Volatile, so that its statements
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
-- are held. `answers` has null where there is none yet. See append_events_shared for the words.
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
-- 2. Where `any` is expected, a known id is looked for: after the lock, as in append_one.
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
  -- A stream that has a row has events, so `any` and `streamExists` are met.
  if expected = 'exactly' and locked.version <> expected_version then
    return jsonb_build_object('outcome', 'conflict', 'version', locked.version);
  end if;
  update streams s set state = mark where s.tenant = owner and s.name = stream_name and s.state <> mark;
  return jsonb_build_object('outcome', 'marked', 'version', locked.version);
end
$$;
