-- Streams of one category of a tenant in the order of their names. Names are compared by bytes, and what follows a
-- category in a name is a hyphen, whose successor is the dot: so a category is a range of the primary key.
-- $1 tenant, $2 after: a name or empty, $3 max count, $4 include archived: true | false, $5 category
with given as (
  select $1::text as tenant, $2::text as after, $3::text::integer as max_count, $4::text::boolean as include_archived,
    $5::text as category
)
select s.tenant, s.name, s.version::text as version, s.state
from given
join __schema__.streams s on s.tenant = given.tenant and s.name > given.after
  and s.name >= given.category and s.name < given.category || '.'
where split_part(s.name, '-', 1) = given.category
  and (s.state = 'open' or (s.state = 'archived' and given.include_archived))
order by s.name
limit (select max_count from given)
