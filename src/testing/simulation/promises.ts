/** How checks say which promise is broken: they throw it, and whoever asked for the check catches it as words. */

const mark = Symbol('a broken promise');

/** Throws unless it is so. */
export const must = (isSo: boolean, broken: () => string): void => {
  if (!isSo) throw Object.assign(new Error(broken()), { [mark]: true });
};

/** Which promise a check found broken; anything else that was thrown is a bug of the check and goes on. */
export const brokenPromise = (thrown: unknown): string => {
  if (thrown instanceof Error && mark in thrown) return thrown.message;
  throw thrown;
};
