/** The ways to save an aggregate while others write to it, by name. */

export const concurrencyStrategies = [
  'expectedVersion',
  'ifNotModifiedSince',
  'token',
  'expectedRevision',
  'condition',
  'retry',
  'lastWriteWins',
  'pessimistic',
  'merge',
  'adaptive',
] as const;

export type ConcurrencyStrategy = (typeof concurrencyStrategies)[number];
