-- Leases that are held and have not ended, by name.
-- $1 prefix: text, $2 max_count: integer
with given as (
  -- No name is longer than 512 bytes, so none that begins with the prefix comes after the prefix and 128 of the last character.
  select $1::text as prefix, $1::text || repeat(chr(1114111), 128) as prefix_end, $2::integer as max_count
)
select l.name, l.token::text as token, l.holder,
  ceil(extract(epoch from l.expires_at - clock_timestamp()) * 1000)::bigint::text as expires_in_ms
from given
join __schema__.leases l on l.name >= given.prefix and l.name <= given.prefix_end
where starts_with(l.name, given.prefix) and l.expires_at > clock_timestamp()
order by l.name
limit (select max_count from given)
