-- Keeps a subscriber's checkpoint unless a later one of the same epoch is there, or the store lives in another epoch;
-- answers the store's epoch.
-- $1 subscriber, $2 transaction id, $3 position, $4 epoch
with given as (
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
from store
