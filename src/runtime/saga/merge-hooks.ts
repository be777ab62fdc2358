/** Several sets of hooks as one: each is told of everything, in order. */

const isPromise = (answer: unknown): answer is PromiseLike<unknown> =>
  typeof answer === 'object' && answer !== null && 'then' in answer && typeof answer.then === 'function';

/**
 * For sagas and aggregates alike. Hooks of one name are called one after another; where one throws, those after it are not
 * called, and the call in hand is rejected, as with a single hook. What they promise is awaited together.
 *
 * ```ts
 * sagaRuntime(order, { store, hooks: mergeHooks<SagaHooks>({ onMerged: log }, { onMerged: count }) });
 * ```
 */
export const mergeHooks = <Hooks extends object>(...all: ReadonlyArray<Hooks | undefined>): Hooks => {
  type Hook = (notice: unknown) => void | Promise<void>;
  const byName = new Map<string, Hook[]>();
  for (const hooks of all)
    for (const [name, hook] of Object.entries(hooks ?? {}) as ReadonlyArray<[string, Hook | undefined]>)
      if (hook !== undefined) byName.set(name, [...(byName.get(name) ?? []), hook]);
  const merged = [...byName].map(([name, hooks]): [string, Hook] => [
    name,
    (notice) => {
      const promised: Array<PromiseLike<unknown>> = [];
      for (const hook of hooks) {
        const answer: unknown = hook(notice);
        // Short functions answer whatever their last expression is.
        if (!isPromise(answer)) continue;
        // Where a later hook throws, that is what the call is rejected with.
        answer.then(undefined, () => undefined);
        promised.push(answer);
      }
      return promised.length === 0 ? undefined : Promise.all(promised).then(() => undefined);
    },
  ]);
  return Object.fromEntries(merged) as Hooks;
};
