/** How the processes of a simulation are set up: drawn from the seed, so that no setting is only ever tried in one form. */

export interface Shape {
  /** 1 to 4. */
  readonly processes: number;
  /** Who follows the streams: one process, or all under names of their own, or all under one name. */
  readonly followers: 'one' | 'each' | 'shared';
  /** Which phases of a read are steps of their own; an append always is held before and after. */
  readonly heldReads: 'none' | 'answer' | 'both';
  readonly pollMs: number;
  readonly mergeAfterMs: number;
  readonly batchMax: number;
  readonly sagasKept: number;
  readonly leaseAfter: number;
  readonly checkDeterminism: boolean;
}

const oneOf = <A>(random: () => number, choices: readonly [A, ...A[]]): A =>
  choices[Math.floor(random() * choices.length)] as A;

export const drawShape = (random: () => number, processes?: number): Shape => ({
  processes: processes ?? oneOf(random, [1, 2, 2, 3, 3, 4]),
  followers: oneOf(random, ['one', 'each', 'shared']),
  heldReads: oneOf(random, ['none', 'answer', 'both']),
  pollMs: 20 + Math.floor(180 * random()),
  mergeAfterMs: Math.floor(200 * random() * random()),
  batchMax: oneOf(random, [1, 2, 5, 512]),
  sagasKept: oneOf(random, [0, 1, 1_000, 1_000]),
  leaseAfter: oneOf(random, [0, 1, 8]),
  checkDeterminism: random() < 0.2,
});
