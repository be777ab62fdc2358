/** The SQL inside the library is what the SQL files say. */
import { describe, expect, it } from '@jest/globals';
import { readdirSync, readFileSync } from 'node:fs';
import { statementTexts } from '../../src/adapters/postgres/sql.generated.js';

// Plain JavaScript without types, for it runs before anything is built.
const { generated } = (await import('../../scripts/embed-sql.mjs' as string)) as { generated: () => string };

const statementsFolder = 'src/adapters/postgres/statements';
const read = (path: string): string => readFileSync(path, 'utf8');

describe('embedded SQL', () => {
  it('is up to date with the files; if not, run node scripts/embed-sql.mjs', () => {
    expect(read('src/adapters/postgres/sql.generated.ts')).toBe(generated());
  });

  it('no statement names a schema or table of its own choice, and none holds user text', () => {
    for (const [name, text] of Object.entries(statementTexts)) {
      expect([
        name,
        /\b(from|join|into|update)\s+(streams|events|checkpoints|snapshots|store_info)\b(?!\s+(e|as)\s+where)/.test(
          text.replace(/with streams as/, ''),
        ),
      ]).toEqual([name, false]);
      expect([name, text.includes('${')]).toEqual([name, false]);
    }
  });

  it('every statement says in its header what it is for, and names each of its parameters', () => {
    for (const file of readdirSync(statementsFolder)) {
      const text = read(`${statementsFolder}/${file}`);
      const header = text
        .split('\n')
        .filter((line) => line.startsWith('--'))
        .join('\n');
      expect([file, text.startsWith('-- ')]).toEqual([file, true]);
      const used = [...new Set(text.replace(/^--.*$/gm, '').match(/\$\d+/g) ?? [])].sort();
      for (const parameter of used)
        expect([file, parameter, header.includes(parameter)]).toEqual([file, parameter, true]);
      if (used.length === 0) expect([file, header.includes('no parameters')]).toEqual([file, true]);
    }
  });

  it('every migration says in its first lines what it is for and whether older code survives it', () => {
    for (const file of readdirSync('migrations').filter((name) => name.endsWith('.sql')))
      expect([file, /^-- .+\n(-- .+\n)*-- Older code/.test(read(`migrations/${file}`))]).toEqual([
        file,
        true,
      ]);
  });
});
