// Writes src/adapters/postgres/sql.generated.ts from the SQL files: the library is built for two module systems and for
// bundlers, where a file beside the code cannot be found. `--check` only says whether the generated file is up to date.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const target = join(root, 'src/adapters/postgres/sql.generated.ts');

const sqlFiles = (folder) =>
  readdirSync(join(root, folder))
    .filter((file) => file.endsWith('.sql'))
    .sort()
    .map((file) => ({ file, text: readFileSync(join(root, folder, file), 'utf8').replaceAll('\r\n', '\n') }));

const literal = (text) => `\`${text.replace(/[\\`]|\$\{/g, '\\$&')}\``;
const camel = (file) => file.replace(/\.sql$/, '').replace(/-(\w)/g, (_, letter) => letter.toUpperCase());
const sha256 = (text) => createHash('sha256').update(text).digest('hex');
// Comments stay in the files: they need not travel to the server with each statement.
const withoutComments = (text) => text.replace(/^ *--.*\n/gm, '').trim();

export const generated = () => {
  const statements = sqlFiles('src/adapters/postgres/statements').map(
    ({ file, text }) => `  ${camel(file)}: ${literal(withoutComments(text))},\n`,
  );
  const migrations = sqlFiles('migrations').map(({ file, text }) => {
    const [, id, name] = /^(\d{4})\.do\.([a-z0-9-]+)\.sql$/.exec(file) ?? [];
    if (name === undefined) throw new Error(`migrations/${file} is not named as 0001.do.what-it-does.sql`);
    return `  {\n    id: ${Number(id)},\n    file: '${file}',\n    checksum: '${sha256(text)}',\n    sql: ${literal(text)},\n  },\n`;
  });
  return `/** The SQL files as text, written by scripts/embed-sql.mjs: change the files and run it, never this. */

export const statementTexts = {
${statements.join('')}} as const;

export const migrationTexts = [
${migrations.join('')}] as const;
`;
};

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const text = generated();
  if (process.argv.includes('--check')) {
    if (readFileSync(target, 'utf8') !== text) {
      console.error(
        'src/adapters/postgres/sql.generated.ts is not what the SQL files say: run node scripts/embed-sql.mjs',
      );
      process.exitCode = 1;
    }
  } else writeFileSync(target, text);
}
