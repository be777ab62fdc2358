/** The examples run and print what their comments promise, and the README shows them as they are. */
import { describe, expect, it } from '@jest/globals';
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { blocksOf, documents, outputOf, promisedOutput } from './blocks.js';

const examples = readdirSync('examples')
  .filter((file) => file.endsWith('.ts'))
  .sort();
const shown = new Set(blocksOf('README.md').map(({ code }) => code.trim()));
const texts = documents.map((document) => readFileSync(document, 'utf8')).join('\n');
/** Those for whoever reads the README alone. */
const first = ['first-aggregate.ts', 'first-append.ts', 'first-saga.ts', 'merge.ts'];

describe('the examples', () => {
  it('are told of in the documents', () => {
    expect(examples.filter((file) => !texts.includes(`examples/${file}`) && !first.includes(file))).toEqual(
      [],
    );
  });

  for (const file of examples) {
    const code = readFileSync(join('examples', file), 'utf8');

    it(`${file} prints what it says`, async () => {
      expect(promisedOutput(code)).not.toEqual([]);
      expect(await outputOf(resolve('examples', file))).toEqual(promisedOutput(code));
    });
  }

  for (const file of first)
    it(`${file} stands in the README, but for its first line`, () => {
      const code = readFileSync(join('examples', file), 'utf8');
      expect(shown).toContain(code.replace(/^\/\*\*.*\*\/\n/, '').trim());
    });
});
