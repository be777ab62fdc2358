/** What the migrations make, as text: read from the catalogue, so that two servers and two histories can be compared. */

type Query = (text: string) => Promise<ReadonlyArray<Readonly<Record<string, string | null>>>>;

const inSchema = (schema: string): string => `n.nspname = '${schema}'`;

const parts = (schema: string): ReadonlyArray<string> => [
  `select format('table %s column %s: %s%s%s%s%s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod),
      case when l.collname <> 'default' then ' collate ' || l.collname else '' end,
      case when a.attnotnull then ' not null' else '' end,
      case a.attidentity when 'a' then ' generated always as identity' else '' end,
      case when d.adbin is null then ''
        when a.attgenerated = 's' then ' generated as ' || pg_get_expr(d.adbin, d.adrelid)
        else ' default ' || pg_get_expr(d.adbin, d.adrelid) end) as line
   from pg_class c join pg_namespace n on n.oid = c.relnamespace
   join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
   left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
   left join pg_collation l on l.oid = a.attcollation
   where ${inSchema(schema)} and c.relkind = 'r'
   order by c.relname, a.attnum`,
  // Columns that must not be null are said above; some servers list them here as well.
  `select format('constraint %s.%s: %s', c.relname, k.conname, pg_get_constraintdef(k.oid)) as line
   from pg_constraint k join pg_class c on c.oid = k.conrelid join pg_namespace n on n.oid = c.relnamespace
   where ${inSchema(schema)} and k.contype <> 'n'
   order by c.relname, k.conname`,
  `select format('index: %s', pg_get_indexdef(i.indexrelid)) as line
   from pg_index i join pg_class c on c.oid = i.indexrelid join pg_namespace n on n.oid = c.relnamespace
   where ${inSchema(schema)}
   order by c.relname`,
  `select format('function %s(%s) returns %s, %s, %s, settings %s, body md5 %s', p.proname,
      pg_get_function_identity_arguments(p.oid), pg_get_function_result(p.oid), l.lanname,
      case p.provolatile when 'i' then 'immutable' when 's' then 'stable' else 'volatile' end,
      coalesce(array_to_string(p.proconfig, ' '), 'none'),
      md5(replace(p.prosrc, quote_ident(n.nspname) || '.', '<schema>.'))) as line
   from pg_proc p join pg_namespace n on n.oid = p.pronamespace join pg_language l on l.oid = p.prolang
   where ${inSchema(schema)}
   order by p.proname, pg_get_function_identity_arguments(p.oid) collate "C"`,
  `select format('option %s: %s', c.relname, array_to_string(c.reloptions, ' ')) as line
   from pg_class c join pg_namespace n on n.oid = c.relnamespace
   where ${inSchema(schema)} and c.reloptions is not null
   order by c.relname`,
];

/** The dump of one schema, whose name is written as `<schema>`. */
export const dumpSchema = async (query: Query, schema: string): Promise<string> => {
  const lines: string[] = [];
  for (const part of parts(schema)) for (const row of await query(part)) lines.push(row['line'] ?? '');
  return `${lines.join('\n').replaceAll(`"${schema}"`, '<schema>').replaceAll(`${schema}.`, '<schema>.').replaceAll(`=${schema},`, '=<schema>,')}\n`;
};
