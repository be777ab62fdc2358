-- The life of the store, and the cluster that its transaction ids belong to.
-- no parameters
select store_id::text as store_id, system_identifier
from __schema__.store_info
