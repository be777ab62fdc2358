-- The migrations that were run, in order.
-- no parameters
select id::text as id, name, checksum
from __schema__.migrations
order by id
