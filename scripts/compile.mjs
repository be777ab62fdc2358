// Sources as plain JavaScript in a folder, where processes start at once, from one state of them, and a file can be changed first.
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { transformSync } from '@swc/core';
import { root } from './ensure.mjs';

const filesUnder = (path) =>
  statSync(join(root, path)).isDirectory()
    ? readdirSync(join(root, path)).flatMap((name) => filesUnder(`${path}/${name}`))
    : [path];

const isWanted = (path) => path.endsWith('.ts') && !path.endsWith('.test.ts');

const read = (path) => readFileSync(join(root, path), 'utf8');

const transformed = (path, source) =>
  transformSync(source, {
    filename: path,
    jsc: { parser: { syntax: 'typescript' }, target: 'es2022' },
    module: { type: 'es6' },
    sourceMaps: false,
  }).code;

/** All sources of these files and folders by path, transformed. */
export const transformAll = (parts) =>
  new Map(
    parts
      .flatMap(filesUnder)
      .filter(isWanted)
      .map((path) => [path, transformed(path, read(path))]),
  );

const mutated = ({ name, file, find, replace }) => {
  const source = read(file);
  const found = source.split(find).length - 1;
  if (found !== 1) throw new Error(`${name}: ${file} holds the text ${found} times, not once`);
  return transformed(
    file,
    source.replace(find, () => replace),
  );
};

/**
 * Writes sources into `folder`, which must lie inside the repository so that packages are found. A mutant is one text of one source
 * file put in place of another, which must occur there exactly once. `manifest` is the folder's package.json.
 */
export const writeCompiled = (folder, sources, { mutant, manifest = {} } = {}) => {
  const changed = mutant === undefined ? sources : new Map([...sources, [mutant.file, mutated(mutant)]]);
  for (const [path, code] of changed) {
    const file = join(folder, path.replace(/\.ts$/, '.js'));
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, code);
  }
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify({ ...manifest, type: 'module' })}\n`);
};
