-- Operations of a tenant, by scope and key.
-- $1 tenant: text, $2 scope or null: text, $3 state or null: text, $4 after_scope or null: text, $5 after_key or null: text,
-- $6 max_count: integer
with given as (
  select $1::text as tenant, $2::text as scope, $3::text as state, coalesce($4::text, '') as after_scope,
    coalesce($5::text, '') as after_key, $6::integer as max_count, clock_timestamp() as moment
)
select __schema__.operation_as_json(i, given.moment)::text as entry
from given
join __schema__.idempotency i on i.tenant = given.tenant
where (i.scope, i.key) > (given.after_scope, given.after_key) and i.expires_at > given.moment
  and (given.scope is null or i.scope = given.scope) and (given.state is null or i.state = given.state)
order by i.scope, i.key
limit (select max_count from given)
