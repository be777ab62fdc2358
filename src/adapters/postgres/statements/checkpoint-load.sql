-- Where a subscriber stands. No row where it has no checkpoint yet.
-- $1 subscriber
with given as (
  select $1::text as subscriber
)
select c.transaction_id::text as transaction_id, c.position::text as position, c.epoch
from given
join __schema__.checkpoints c on c.subscriber = given.subscriber
