/** Directories for PGlite that are gone after the test. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A directory that does not exist yet, inside one that is removed by `remove`. */
export const freshDirectory = (): { readonly directory: string; readonly remove: () => void } => {
  const parent = mkdtempSync(join(tmpdir(), 'watersmeet-pglite-'));
  return { directory: join(parent, 'data'), remove: () => rmSync(parent, { recursive: true, force: true }) };
};
