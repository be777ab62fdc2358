/**
 * A fresh data directory from a copy: PGlite needs many seconds to make one and about one to unpack one. The copy is kept
 * in the user's cache directory and is only a shortcut: whatever is wrong with it, a directory is made the slow way.
 */
import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';

const cacheDirectory = (): string | undefined => {
  // Empty: keep no copy.
  const asked = process.env['WATERSMEET_CACHE'];
  if (asked !== undefined) return asked === '' ? undefined : asked;
  const base = process.env['XDG_CACHE_HOME'] ?? process.env['LOCALAPPDATA'] ?? join(homedir(), '.cache');
  return join(base, 'watersmeet');
};

export const sha256 = (content: Uint8Array | string): string =>
  createHash('sha256').update(content).digest('hex');

// The hash of what follows stands first in the file, so that half a file is known as one.
const hashLength = 64;

export interface Template {
  readonly load: () => Promise<Blob | undefined>;
  /** Keeps a copy of an archive; where it cannot be kept, none is kept. */
  readonly save: (archive: Blob) => Promise<void>;
}

/** `key` tells the version of the driver that wrote the copy, for it alone is sure to read it. */
export const templateFor = (key: string): Template => {
  const directory = cacheDirectory();
  if (directory === undefined) return { load: async () => undefined, save: async () => undefined };
  const path = join(directory, `pglite-${key}.tar.gz`);
  return {
    load: async () => {
      try {
        const file = await readFile(path);
        const packed = file.subarray(hashLength);
        if (file.toString('latin1', 0, hashLength) !== sha256(packed)) return undefined;
        return new Blob([await promisify(gunzip)(packed)], { type: 'application/x-tar' });
      } catch {
        return undefined;
      }
    },
    save: async (archive) => {
      const draft = `${path}.${randomUUID()}`;
      try {
        const packed = await promisify(gzip)(new Uint8Array(await archive.arrayBuffer()), { level: 1 });
        // For the user alone: what is unpacked from here becomes a database.
        await mkdir(directory, { recursive: true, mode: 0o700 });
        await writeFile(draft, Buffer.concat([Buffer.from(sha256(packed), 'latin1'), packed]), {
          mode: 0o600,
        });
        await rename(draft, path);
      } catch {
        await rm(draft, { force: true });
      }
    },
  };
};
