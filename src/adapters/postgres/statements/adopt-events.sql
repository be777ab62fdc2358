-- Makes every event readable in a cluster that did not give its transaction id: transaction 0 lies before all others,
-- and within it the position keeps the order. Run by the migrations when the store was restored elsewhere.
-- no parameters
with streams as (
  update __schema__.streams
  set transaction_id = '0'::xid8
  where transaction_id <> '0'::xid8
), tags as (
  update __schema__.event_tags
  set transaction_id = '0'::xid8, written_by = '0'::xid8
  where transaction_id <> '0'::xid8
)
update __schema__.events
set transaction_id = '0'::xid8
where transaction_id <> '0'::xid8
