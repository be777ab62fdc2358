/** Several sets of hooks as one: each is told of everything, in order. */

/**
 * For sagas and aggregates alike. Hooks of one name are called one after another; where one throws, those after it are not
 * called, and the call in hand is rejected, as with a single hook.
 *
 * ```ts
 * sagaRuntime(order, { store, hooks: mergeHooks<SagaHooks>({ onMerged: log }, { onMerged: count }) });
 * ```
 */
export const mergeHooks = <Hooks extends object>(...all: ReadonlyArray<Hooks | undefined>): Hooks => {
  type Hook = (notice: unknown) => void;
  const byName = new Map<string, Hook[]>();
  for (const hooks of all)
    for (const [name, hook] of Object.entries(hooks ?? {}) as ReadonlyArray<[string, Hook | undefined]>)
      if (hook !== undefined) byName.set(name, [...(byName.get(name) ?? []), hook]);
  const merged = [...byName].map(([name, hooks]): [string, Hook] => [
    name,
    (notice) => {
      for (const hook of hooks) hook(notice);
    },
  ]);
  return Object.fromEntries(merged) as Hooks;
};
