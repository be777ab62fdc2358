-- Leases on scopes: names that are paths, where a wider one excludes all that lie in it and the reverse.
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
