// The engine and its simulation as plain JavaScript in a folder, where a file can be changed before it runs.
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { transformSync } from '@swc/core';

export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

const parts = [
  'src/index.ts',
  'src/core',
  'src/store',
  'src/runtime',
  'src/adapters/memory',
  'src/testing/stage.ts',
  'src/testing/simulation',
  'test/simulation',
];

const filesUnder = (path) =>
  statSync(join(root, path)).isDirectory()
    ? readdirSync(join(root, path)).flatMap((name) => filesUnder(`${path}/${name}`))
    : [path];

const isWanted = (path) => path.endsWith('.ts') && !path.endsWith('.test.ts');

const transformed = (path, source) =>
  transformSync(source, {
    filename: path,
    jsc: { parser: { syntax: 'typescript' }, target: 'es2022' },
    module: { type: 'es6' },
    sourceMaps: false,
  }).code;

/** All sources by path, transformed. */
export const transformAll = () =>
  new Map(
    parts
      .flatMap(filesUnder)
      .filter(isWanted)
      .map((path) => [path, transformed(path, readFileSync(join(root, path), 'utf8'))]),
  );

/**
 * Writes the sources into `folder`, which must lie inside the repository so that packages are found. A mutant is one text of one
 * source file put in place of another, which must occur there exactly once.
 */
export const writeCompiled = (folder, sources, mutant) => {
  const changed = new Map(sources);
  if (mutant !== undefined) {
    const source = readFileSync(join(root, mutant.file), 'utf8');
    const found = source.split(mutant.find).length - 1;
    if (found !== 1)
      throw new Error(`${mutant.name}: ${mutant.file} holds the text ${found} times, not once`);
    changed.set(
      mutant.file,
      transformed(
        mutant.file,
        source.replace(mutant.find, () => mutant.replace),
      ),
    );
  }
  for (const [path, code] of changed) {
    const file = join(folder, path.replace(/\.ts$/, '.js'));
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, code);
  }
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }\n');
};
