-- The cluster that answers. Some hosts forbid to ask.
-- no parameters
select system_identifier::text as system_identifier
from pg_catalog.pg_control_system()
