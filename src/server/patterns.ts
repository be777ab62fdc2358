/**
 * Patterns that clients send. One may take longer than the world stands, and nothing else happens in the process meanwhile: so it is
 * tried with a watch on the time, unless its form shows that it cannot take long.
 */
import vm from 'node:vm';
import { refuse } from './status.js';

/** Judges texts by a pattern; refuses where it takes too long over them. */
export interface PatternTest {
  readonly test: (text: string) => boolean;
  /** Judges many at once for the calls of `test` that follow: the watch costs as much for all of them as for one. */
  readonly foresee: (texts: ReadonlyArray<string>) => void;
}

/** Far more than any sensible pattern takes over a page of names. */
const patienceMs = 250;

// A context holds no more than what the script needs, and one is enough: nothing else runs between filling and running it.
let watched: { readonly shared: vm.Context; readonly script: vm.Script } | undefined;
const makeWatched = () => ({
  shared: vm.createContext(Object.assign(Object.create(null), { pattern: /^/, texts: [] })),
  script: new vm.Script('texts.map((text) => pattern.test(text))'),
});

const judged = (pattern: RegExp, texts: ReadonlyArray<string>): ReadonlyArray<boolean> => {
  watched ??= makeWatched();
  const { shared, script } = watched;
  Object.assign(shared, { pattern, texts });
  try {
    return script.runInContext(shared, { timeout: patienceMs }) as ReadonlyArray<boolean>;
  } catch (error) {
    if ((error as { readonly code?: unknown }).code !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw error;
    return refuse(
      'INVALID_ARGUMENT',
      `The filter's pattern takes longer than ${patienceMs} ms over what is in this server. Use a simpler one, or prefixes.`,
    );
  }
};

/** With one group and one repetition at most, the group not repeated, time grows with the square of a name's length at worst. */
const isPlain = ({ source }: RegExp): boolean => {
  const repetitions = source.replaceAll('(?', '(').match(/[*+?{]/g) ?? [];
  const groups = source.match(/\(/g) ?? [];
  return groups.length <= 1 && repetitions.length <= 1 && !/\)[*+?{]/.test(source);
};

export const patternTest = (pattern: RegExp): PatternTest => {
  if (isPlain(pattern)) return { test: (text) => pattern.test(text), foresee: () => undefined };
  let known = new Map<string, boolean>();
  const foresee = (texts: ReadonlyArray<string>): void => {
    const answers = judged(pattern, texts);
    known = new Map(texts.map((text, index) => [text, answers[index] as boolean]));
  };
  return {
    foresee,
    test: (text) => {
      if (!known.has(text)) foresee([text]);
      return known.get(text) as boolean;
    },
  };
};
