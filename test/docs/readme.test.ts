/** The code in the documents compiles, runs, and prints what its comments promise. */
import { afterAll, describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { dropTestDatabase, migratedDatabase, whyNoServer } from '../support/postgres.js';
import {
  type Block,
  blocksOf,
  documents,
  layOut,
  outputOf,
  promisedOutput,
  writeCompilerConfig,
} from './blocks.js';

const blocks = documents.flatMap(blocksOf);
const { folder, files, remove } = layOut('blocks', blocks);
afterAll(remove);

/** With a database of its own, which the code finds where a program would. */
const withServer = async (run: () => Promise<void>): Promise<void> => {
  const before = process.env['DATABASE_URL'];
  const url = await migratedDatabase();
  process.env['DATABASE_URL'] = url;
  try {
    await run();
  } finally {
    if (before === undefined) delete process.env['DATABASE_URL'];
    else process.env['DATABASE_URL'] = before;
    await dropTestDatabase(url);
  }
};

/** In a folder of its own, since the code names its directory relative to where it runs. */
const inFolder = async (run: () => Promise<void>): Promise<void> => {
  const before = process.cwd();
  const here = mkdtempSync(join(tmpdir(), 'watersmeet-docs-'));
  process.chdir(here);
  try {
    await run();
  } finally {
    process.chdir(before);
    rmSync(here, { recursive: true, force: true });
  }
};

const check = async ({ code }: Block, file: string): Promise<void> => {
  const promised = promisedOutput(code);
  expect(promised).not.toEqual([]);
  expect(await outputOf(file)).toEqual(promised);
};

const register = (block: Block, file: string): void => {
  const title = `${block.place} runs, and prints what it says`;
  switch (block.mark) {
    case 'no-run':
      return;
    case 'pglite':
      return it(title, () => inFolder(() => check(block, file)));
    case 'postgres': {
      const why = whyNoServer();
      if (why !== undefined) return it.skip(`${title}: ${why}`, () => undefined);
      return it(title, () => withServer(() => check(block, file)));
    }
    default:
      return it(title, () => check(block, file));
  }
};

describe('the code in the documents', () => {
  it('is accepted by the compiler under the project’s own rules', () => {
    const compiler = join('node_modules', 'typescript', 'bin', 'tsc');
    const args = [compiler, '-p', writeCompilerConfig(folder), '--pretty', 'false'];
    const { stdout, status } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    expect(stdout).toBe('');
    expect(status).toBe(0);
  });

  for (const [index, block] of blocks.entries()) register(block, files[index] as string);

  it('is marked with what the tests know, and nearly all of it is run', () => {
    const marks = new Set(blocks.map(({ mark }) => mark));
    expect([...marks].filter((mark) => !['no-run', 'pglite', 'postgres', undefined].includes(mark))).toEqual(
      [],
    );
    expect(blocks.length).toBeGreaterThanOrEqual(10);
    expect(blocks.filter(({ mark }) => mark === 'no-run').length).toBeLessThanOrEqual(3);
  });
});

describe('the documents', () => {
  const texts = documents.map((document) => ({ document, text: readFileSync(document, 'utf8') }));

  it('link to files that are there', () => {
    const broken = texts.flatMap(({ document, text }) =>
      [...text.replace(/^```[\s\S]*?^```$/gm, '').matchAll(/\]\((?!https?:|#)([^)#]+)[^)]*\)/g)]
        .map(([, target]) => join(dirname(document), target as string))
        .filter((path) => !existsSync(path)),
    );
    expect(broken).toEqual([]);
  });

  it('name only files that are there', () => {
    const path = /`((?:src|sagas|test|examples|migrations|docs)\/[\w./-]*\w\/?)`/g;
    const missing = texts.flatMap(({ document, text }) =>
      [...text.matchAll(path)]
        .filter(([, name]) => !existsSync(name as string))
        .map(([, name]) => `${document}: ${name}`),
    );
    expect(missing).toEqual([]);
  });
});
