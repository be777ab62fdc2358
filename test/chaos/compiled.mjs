// The package and the chaos tests as plain JavaScript in a folder: worker processes start at once, and from one state of the sources.
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { transformSync } from '@swc/core';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

const parts = ['src/index.ts', 'src/core', 'src/store', 'src/runtime', 'src/adapters', 'test/chaos'];

const filesUnder = (path) =>
  statSync(join(root, path)).isDirectory()
    ? readdirSync(join(root, path)).flatMap((name) => filesUnder(`${path}/${name}`))
    : [path];

/**
 * Compiles into `folder`, which must lie inside the repository so that packages are found. A mutant is one text of one source
 * file in place of another, which must occur there exactly once.
 */
export const compileInto = (folder, mutant) => {
  const wanted = (path) => path.endsWith('.ts') && !path.endsWith('.test.ts');
  for (const path of parts.flatMap(filesUnder).filter(wanted)) {
    let source = readFileSync(join(root, path), 'utf8');
    if (mutant?.file === path) {
      const found = source.split(mutant.find).length - 1;
      if (found !== 1) throw new Error(`${mutant.name}: ${path} holds the text ${found} times, not once`);
      source = source.replace(mutant.find, () => mutant.replace);
    }
    const { code } = transformSync(source, {
      filename: path,
      jsc: { parser: { syntax: 'typescript' }, target: 'es2022' },
      module: { type: 'es6' },
      sourceMaps: false,
    });
    const file = join(folder, path.replace(/\.ts$/, '.js'));
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, code);
  }
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }\n');
};
