-- Begins a new life of the store in the cluster that answers, so that checkpoints of the old one are refused.
-- $1 system identifier
with given as (
  select $1::text as system_identifier
)
update __schema__.store_info
set store_id = gen_random_uuid(), system_identifier = given.system_identifier
from given
