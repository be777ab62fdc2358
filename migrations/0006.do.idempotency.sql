-- Idempotency: what operations came to is remembered under business keys; an append may complete one.
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
