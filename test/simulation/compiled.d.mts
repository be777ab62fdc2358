import type { Mutant } from './mutants.js';

export const root: string;
export const transformAll: () => ReadonlyMap<string, string>;
export const writeCompiled: (
  folder: string,
  sources: ReadonlyMap<string, string>,
  options?: { readonly mutant?: Mutant | undefined },
) => void;
