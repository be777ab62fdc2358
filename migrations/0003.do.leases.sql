-- Leases: who may do a thing for a while, and appends that are refused once the lease has gone to somebody else.
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

-- An answer as that of append_many where something stands against the requests: the refusal of the one at `refused` (1 is the first),
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
