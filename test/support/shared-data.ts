/** Data that tests share but the repository does not hold: in the folder `WATERSMEET_DATA`, by default beside the repository. */
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';

const folder = resolve(process.env['WATERSMEET_DATA'] ?? '../shared/data');

export interface SharedFile {
  readonly path: string;
  /** Why tests of this file are skipped; undefined where it is there. */
  readonly skip: string | undefined;
  readonly json: () => unknown;
}

export const sharedFile = (name: string): SharedFile => {
  const path = resolve(folder, name);
  return {
    path,
    skip: existsSync(path) ? undefined : `no ${name} in the folder WATERSMEET_DATA`,
    json: () => JSON.parse(readFileSync(path, 'utf8')) as unknown,
  };
};
