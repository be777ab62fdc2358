/** The examples run and print what their comments promise, and the README shows them as they are. */
import { describe, expect, it } from '@jest/globals';
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { blocksOf, outputOf, promisedOutput } from './blocks.js';

const examples = readdirSync('examples')
  .filter((file) => file.endsWith('.ts'))
  .sort();
const shown = new Set(blocksOf('README.md').map(({ code }) => code.trim()));

describe('the examples', () => {
  it('are those that the README tells of', () => {
    expect(examples).toEqual(['first-aggregate.ts', 'first-append.ts', 'first-saga.ts', 'merge.ts']);
  });

  for (const file of examples) {
    const code = readFileSync(join('examples', file), 'utf8');

    it(`${file} prints what it says`, async () => {
      expect(promisedOutput(code)).not.toEqual([]);
      expect(await outputOf(resolve('examples', file))).toEqual(promisedOutput(code));
    });

    it(`${file} stands in the README, but for its first line`, () => {
      expect(shown).toContain(code.replace(/^\/\*\*.*\*\/\n/, '').trim());
    });
  }
});
