/** From `--saga <saga>` to the code that a history is folded with: a bundled saga, or what a module exports. */
import { escapeForDisplay } from '../core/stream.js';
import { categoryOfRules, type Rules } from '../testing/replay/fold.js';
import {
  bundledNames,
  importModule,
  isProgram,
  type LoadedModule,
  loadProgram,
  modulePath,
  unusable,
} from './programs.js';
import type { Session } from './session.js';

/** Sagas that are bundled without an input to run them on. */
const bundledSagas: ReadonlyMap<string, () => Promise<Rules>> = new Map([
  [
    'acceptable-credit',
    async () => (await import('../../sagas/acceptable-credit/index.js')).acceptableCredit as Rules,
  ],
]);

export const bundledRules: ReadonlyArray<string> = [...bundledNames, ...bundledSagas.keys()];

type Fields = Readonly<Record<string, unknown>>;

/** A program's saga, a saga, or an aggregate; nothing else can fold a stream. */
const rulesIn = (value: unknown): Rules | undefined => {
  if (isProgram(value)) return value.saga as Rules;
  if (typeof value !== 'object' || value === null) return undefined;
  const { evolve, state, events, react, name, decide, category } = value as Fields;
  if (typeof evolve !== 'function' || typeof state !== 'object' || typeof events !== 'object')
    return undefined;
  const isOne =
    (typeof react === 'function' && typeof name === 'string') ||
    (typeof decide === 'function' && typeof category === 'string');
  return isOne ? (value as Rules) : undefined;
};

const candidatesIn = (loaded: LoadedModule): ReadonlyMap<string, Rules> => {
  const found = new Map<string, Rules>();
  // A CommonJS module's exports come as the default.
  const inner = loaded['default'];
  const layers = [loaded, ...(rulesIn(inner) === undefined && inner !== null ? [inner as LoadedModule] : [])];
  for (const layer of layers)
    for (const [name, value] of Object.entries(layer ?? {})) {
      const rules = rulesIn(value);
      // A program and its saga, or two names of one value, are one.
      if (rules !== undefined && ![...found.values()].includes(rules)) found.set(name, rules);
    }
  return found;
};

const choose = (name: string, loaded: LoadedModule, wanted: string | undefined): Rules => {
  const found = candidatesIn(loaded);
  const all = { ...((loaded['default'] ?? {}) as LoadedModule), ...loaded };
  const names = Object.keys(all)
    .filter((key) => rulesIn(all[key]) !== undefined)
    .map((one) => `#${escapeForDisplay(one)}`)
    .join(', ');
  if (wanted !== undefined) {
    const rules = rulesIn(all[wanted]);
    if (rules !== undefined) return rules;
    throw unusable(
      name,
      `exports no saga or aggregate ${escapeForDisplay(wanted)}; it exports ${names || 'none'}`,
    );
  }
  const [only, second] = [...found.values()];
  if (only === undefined)
    throw unusable(
      name,
      'exports no saga, aggregate or program; make one with saga({ ... }) or aggregate({ ... })',
    );
  const first = rulesIn(loaded['default']);
  if (second !== undefined && first === undefined)
    throw unusable(name, `exports several sagas or aggregates; name one, as in ${name}#name: ${names}`);
  return first ?? only;
};

/** `module.js#name` names an export; without it the default is taken, or the only saga or aggregate there is. */
export const loadRules = async (session: Session, told: string): Promise<Rules> => {
  const bundled = bundledSagas.get(told);
  if (bundled !== undefined) return bundled();
  if (bundledNames.includes(told)) return (await loadProgram(session, told)).saga as Rules;
  const [, name = told, wanted] = /^(.*\.[cm]?[jt]s)#([\w$]+)$/.exec(told) ?? [];
  return choose(name, await importModule(modulePath(session, name, bundledRules), name), wanted);
};

/** The bundled saga whose streams have this category. */
export const rulesOfCategory = async (session: Session, category: string): Promise<Rules | undefined> => {
  for (const name of bundledRules) {
    const rules = await loadRules(session, name);
    if (categoryOfRules(rules) === category) return rules;
  }
  return undefined;
};
