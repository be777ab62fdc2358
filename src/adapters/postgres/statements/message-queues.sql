-- Queues that hold messages that are not handled, by name; one row a queue. A count is the sum of its shards.
-- no parameters
select c.queue
from __schema__.message_counts c
group by c.queue
having sum(c.unhandled) > 0
order by c.queue
