// Builds the package twice with tsc, as ES modules and as CommonJS, unless dist was made from these very sources.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root } from './ensure.mjs';

const inputs = [
  'src',
  'sagas',
  'migrations',
  'package.json',
  'package-lock.json',
  'tsconfig.json',
  'tsconfig.build.esm.json',
  'tsconfig.build.cjs.json',
  'scripts/build.mjs',
];

const filesUnder = (path) => {
  if (!existsSync(path)) return [];
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path).flatMap((name) => filesUnder(join(path, name)));
};

const hashOfInputs = () => {
  const hash = createHash('sha256').update(process.versions.node.split('.')[0]);
  const files = inputs.flatMap((input) => filesUnder(join(root, input))).sort();
  for (const file of files) hash.update(`\0${relative(root, file)}\0`).update(readFileSync(file));
  return hash.digest('hex');
};

const tsc = (flavour, outDir) => {
  const bin = join(root, 'node_modules/typescript/bin/tsc');
  const args = [
    bin,
    '-p',
    `tsconfig.build.${flavour}.json`,
    '--outDir',
    outDir,
    '--pretty',
    String(!process.env.CI),
  ];
  return spawnSync(process.execPath, args, { cwd: root, stdio: ['ignore', 2, 2] }).status === 0;
};

/**
 * The sagas import `watersmeet` by name. Node looks a package's own name up in the nearest package.json, and for
 * CommonJS that is the nameless one of dist/cjs; so there, and only there, the name becomes the path it stands for.
 */
const resolveOwnName = (cjs) => {
  const { name, exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const imported = new RegExp(`(require\\(|import\\(|from )(["'])${name}((?:/[\\w-]+)*)\\2`, 'g');
  for (const file of filesUnder(join(cjs, 'sagas')).filter((path) => /\.(js|d\.ts)$/.test(path))) {
    const source = readFileSync(file, 'utf8').replace(imported, (_whole, before, quote, path) => {
      const entry = exports[`.${path}`];
      if (entry === undefined)
        throw new Error(`${relative(cjs, file)} imports ${name}${path}, which is not exported`);
      const target = join(cjs, relative('dist/cjs', entry.require.default));
      const steps = relative(dirname(file), target).replaceAll('\\', '/');
      return `${before}${quote}${steps.startsWith('.') ? '' : './'}${steps}${quote}`;
    });
    writeFileSync(file, source);
  }
};

/** Answers true when dist is up to date afterwards. A failed build leaves the last good dist as it was. */
export const build = () => {
  const dist = join(root, 'dist');
  const stamp = hashOfInputs();
  const stampOf = (dir) => (existsSync(join(dir, '.stamp')) ? readFileSync(join(dir, '.stamp'), 'utf8') : '');
  if (stampOf(dist) === stamp) return true;
  // Built beside dist and moved there whole: whoever runs from dist meanwhile never sees half a build.
  const fresh = join(root, `.build-${process.pid}`);
  try {
    process.stderr.write('Building ...\n');
    if (!tsc('esm', join(fresh, 'esm')) || !tsc('cjs', join(fresh, 'cjs'))) return false;
    // Without it Node would read these .js files as ES modules.
    writeFileSync(join(fresh, 'cjs/package.json'), '{ "type": "commonjs" }\n');
    resolveOwnName(join(fresh, 'cjs'));
    const main = join(fresh, 'esm/src/cli/main.js');
    if (existsSync(main)) chmodSync(main, 0o755);
    writeFileSync(join(fresh, '.stamp'), stamp);
    rmSync(dist, { recursive: true, force: true });
    renameSync(fresh, dist);
    return true;
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
};

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href && !build()) {
  process.stderr.write('The build failed; dist was left as it was.\n');
  process.exit(1);
}
