-- Tags of events, and appends under conditions over several streams: refused once an event that the writer had not seen has
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
