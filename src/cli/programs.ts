/** From `<saga>` on the command line to the program: a bundled one by name, or the default export of a module. */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { taggedError } from '../core/fault.js';
import type { Saga } from '../core/saga/saga.js';
import { escapeForDisplay } from '../core/stream.js';
import type { Program } from '../runtime/saga/program.js';
import { type ProgramUnusable, type UnknownSaga } from './failure.js';
import type { Session } from './session.js';

interface Bundled {
  readonly load: () => Promise<Program>;
  /** Its sample input, inside the package. */
  readonly sample: string;
}

const bundled: ReadonlyMap<string, Bundled> = new Map([
  [
    'loan-application',
    {
      load: async () => (await import('../../sagas/loan-application/index.js')).loanProgram as Program,
      sample: 'sagas/loan-application/sample.xes.gz',
    },
  ],
]);

export const bundledNames: ReadonlyArray<string> = [...bundled.keys()];

/** The bundled sample's path, where the saga has one. */
export const sampleOf = (session: Session, name: string): string | undefined => {
  const sample = bundled.get(name)?.sample;
  if (sample === undefined || session.packageFolder === undefined) return undefined;
  const path = join(session.packageFolder, sample);
  return existsSync(path) ? path : undefined;
};

/** A path as it was typed, to a module that can be loaded. */
export const modulePath = (session: Session, name: string, bundledToo: ReadonlyArray<string>): string => {
  const path = resolve(session.cwd, name);
  if (!existsSync(path)) {
    const message = `${escapeForDisplay(name, 200)} is neither a bundled saga (${bundledToo.join(', ')}) nor a file`;
    throw taggedError<UnknownSaga>({ _tag: 'UnknownSaga', message });
  }
  if (/\.[cm]?ts$/.test(path)) throw unusable(name, 'is TypeScript; compile it first and name the .js file');
  return path;
};

export const unusable = (path: string, reason: string): Error =>
  taggedError<ProgramUnusable>({
    _tag: 'ProgramUnusable',
    message: `${escapeForDisplay(path, 200)}: ${reason}`,
  });

export const isProgram = (value: unknown): value is Program => {
  const { name, saga, readCases, outcomes, outcomeOf, decisionType, figures } = (value ??
    {}) as Partial<Program>;
  return (
    typeof name === 'string' &&
    typeof saga?.react === 'function' &&
    typeof readCases === 'function' &&
    Array.isArray(outcomes) &&
    typeof outcomeOf === 'function' &&
    typeof decisionType === 'string' &&
    typeof figures === 'function'
  );
};

export type LoadedModule = Readonly<Record<string, unknown>>;

export const importModule = async (path: string, shown: string): Promise<LoadedModule> => {
  try {
    return (await import(pathToFileURL(path).href)) as LoadedModule;
  } catch (error) {
    throw unusable(shown, `cannot be loaded: ${error instanceof Error ? error.message : String(error)}`);
  }
};

const loadModule = async (path: string, shown: string): Promise<Program> => {
  const loaded = await importModule(path, shown);
  // A CommonJS module's exports come as the default, with its own default inside.
  const inner = (loaded.default as { readonly default?: unknown } | undefined)?.default;
  const program = [loaded.default, inner].find(isProgram);
  if (program === undefined)
    throw unusable(
      shown,
      "its default export is no program; make one with program({ ... }) from 'watersmeet'",
    );
  return program;
};

export const loadProgram = async (session: Session, name: string): Promise<Program> => {
  const known = bundled.get(name);
  if (known !== undefined) return known.load();
  return loadModule(modulePath(session, name, bundledNames), name);
};

/** The code of the saga whose streams have this category, where it is a bundled one. */
export const sagaOfCategory = async (category: string): Promise<Saga | undefined> => {
  for (const { load } of bundled.values()) {
    const { saga } = await load();
    if (saga.name === category) return saga;
  }
  return undefined;
};
