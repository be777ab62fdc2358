/** Marks appends as work of the system, so that they do not add to the versions that people see. */
import { AsyncLocalStorage } from 'node:async_hooks';
import * as E from 'fp-ts/lib/Either.js';
import { checkName } from '../../core/stream.js';

export interface SystemWork {
  /** Name of the innermost operation. */
  readonly operation: string;
  /** Names from the outermost operation to this one. */
  readonly path: ReadonlyArray<string>;
}

const scopes = new AsyncLocalStorage<SystemWork>();

const operationBytesMax = 256;

/**
 * Runs `work`, and resolves or rejects as it does. What is saved in it, however deep, is work of the system under this name: it adds
 * nothing to `revision`, and is found in the operation log. Scopes nest, and those that run at the same time do not see each
 * other. Throws a `TypeError` where the name is not one of 1 to 256 bytes.
 *
 * ```ts
 * await systemWork('thumbnails', () => products.update(id, { type: 'SetThumbnail', data: { url } })());
 * ```
 */
export const systemWork = <A>(operation: string, work: () => Promise<A>): Promise<A> => {
  const checked = checkName('operation', operation, operationBytesMax);
  if (E.isLeft(checked))
    throw new TypeError(`systemWork: the operation ${checked.left.value} ${checked.left.reason}`);
  const path = [...(scopes.getStore()?.path ?? []), operation];
  // What `work` throws at once rejects too.
  return scopes.run(Object.freeze({ operation, path: Object.freeze(path) }), async () => work());
};

/** The operation in whose scope the caller runs; `undefined` outside of all. */
export const currentSystemWork = (): SystemWork | undefined => scopes.getStore();
