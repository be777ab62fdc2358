// Installs the dependencies when node_modules does not hold what package-lock.json asks for (Node built-ins only).
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

const packagesOf = (file) => {
  try {
    return JSON.parse(readFileSync(join(root, file), 'utf8')).packages;
  } catch {
    return undefined;
  }
};

/**
 * Contents are compared, not times: a checkout touches the lock file without changing it. A package for another
 * platform is in the lock file and never installed, so an optional one may be missing, but not differ.
 */
const isInstalled = () => {
  const wanted = packagesOf('package-lock.json');
  const present = packagesOf('node_modules/.package-lock.json');
  if (wanted === undefined || present === undefined) return false;
  return Object.entries(wanted).every(([path, { version, optional, devOptional, peer }]) => {
    if (path === '') return true;
    const installed = present[path];
    if (installed === undefined) return Boolean(optional || devOptional || peer);
    return installed.version === version;
  });
};

/** Runs npm with `args`, its output on stderr so that stdout stays the caller's; answers the exit code. */
export const npm = (args, options = {}) => {
  const viaNode = process.env.npm_execpath?.endsWith('.js');
  const [command, prefix] = viaNode ? [process.execPath, [process.env.npm_execpath]] : ['npm', []];
  const shell = !viaNode && process.platform === 'win32';
  return spawnSync(command, [...prefix, ...args], { cwd: root, stdio: ['ignore', 2, 2], shell, ...options });
};

export const ensure = () => {
  if (isInstalled()) return;
  process.stderr.write('Installing dependencies (npm ci) ...\n');
  const { status } = npm(['ci', '--include=dev', '--no-audit', '--no-fund']);
  if (status !== 0) {
    process.stderr.write('npm ci failed; nothing else was done. Its reason is above.\n');
    process.exit(status ?? 1);
  }
};

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) ensure();
