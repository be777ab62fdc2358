/** The checks by name; they are run by `run-suite.mjs` in a process of its own. */
export const checks: ReadonlyArray<{ readonly name: string; readonly needs?: string }>;
