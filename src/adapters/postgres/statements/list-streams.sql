-- Streams of a tenant in the order of their names.
-- $1 tenant, $2 after: a name or empty, $3 max count, $4 include archived: true | false
with given as (
  select $1::text as tenant, $2::text as after, $3::text::integer as max_count, $4::text::boolean as include_archived
)
select s.tenant, s.name, s.version::text as version, s.state
from given
join __schema__.streams s on s.tenant = given.tenant and s.name > given.after
where s.state = 'open' or (s.state = 'archived' and given.include_archived)
order by s.name
limit (select max_count from given)
