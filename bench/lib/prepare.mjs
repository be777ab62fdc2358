// Makes ready what is measured: the packages of the peers, the build of ours, and the name under which it is imported.
import { existsSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { build } from '../../scripts/build.mjs';
import { ensure, npm, root } from '../../scripts/ensure.mjs';

const here = join(root, 'bench');

const lockOf = (path) =>
  existsSync(join(here, path)) ? JSON.parse(readFileSync(join(here, path), 'utf8')).packages : undefined;

const isInstalled = () => {
  const present = lockOf('node_modules/.package-lock.json');
  if (present === undefined) return false;
  return Object.entries(lockOf('package-lock.json')).every(
    ([path, { version }]) => path === '' || present[path]?.version === version,
  );
};

export const prepare = ({ isBuilt }) => {
  ensure();
  if (!isInstalled()) {
    process.stderr.write('Installing the packages that are measured beside this one (npm ci in bench) ...\n');
    const { status } = npm(['ci', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: here });
    if (status !== 0) throw new Error('npm ci failed in bench; its reason is above');
  }
  if (!isBuilt && !build()) throw new Error('the build failed; its reason is above');
  // The benches import the package by its name, and so get what users get.
  const link = join(here, 'node_modules/watersmeet');
  if (!existsSync(link)) symlinkSync(root, link, 'junction');
};
