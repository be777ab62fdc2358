/**
 * The store contract: what every event store promises, as tests. Authors of a store call it in a test file of their own:
 *
 *     eventStoreContract({ name: 'my store', open: async () => ({ store, secondHandle, dispose }) }, { describe, it, beforeAll, afterAll })
 *
 * It needs no particular test runner: jest, vitest and `node:test` have the four functions that it is given.
 */
import { appendPart } from './contract/append.js';
import { appendManyPart } from './contract/append-many.js';
import { badInputPart } from './contract/bad-input.js';
import { badTextPart } from './contract/bad-text.js';
import { checkpointsPart } from './contract/checkpoints.js';
import { conditionsPart } from './contract/conditions.js';
import { closingPart } from './contract/closing.js';
import { concurrencyPart } from './contract/concurrency.js';
import { idempotencyPart } from './contract/idempotency.js';
import { idempotencyKeepingPart } from './contract/idempotency-keeping.js';
import { idempotencyRacePart } from './contract/idempotency-race.js';
import { idempotencyStorePart } from './contract/idempotency-store.js';
import { leaseScopesPart } from './contract/lease-scopes.js';
import { leaseScopesRacePart } from './contract/lease-scopes-race.js';
import { leasesPart } from './contract/leases.js';
import { markPart } from './contract/mark.js';
import { metadataPart } from './contract/metadata.js';
import { queuePart } from './contract/queue.js';
import { queueRacePart } from './contract/queue-race.js';
import { readAllPart } from './contract/read-all.js';
import { readAllBackwardsPart } from './contract/read-all-backwards.js';
import { readStreamPart } from './contract/read-stream.js';
import { sizesPart } from './contract/sizes.js';
import { subscribePart } from './contract/subscribe.js';
import {
  type ContractPart,
  type ContractRunner,
  type ContractSubject,
  registerParts,
} from './contract/subject.js';

export type { ContractRunner, ContractSubject, OpenedStore } from './contract/subject.js';

const parts: ReadonlyArray<ContractPart> = [
  appendPart,
  idempotencyPart,
  appendManyPart,
  metadataPart,
  readStreamPart,
  readAllPart,
  readAllBackwardsPart,
  markPart,
  leasesPart,
  leaseScopesPart,
  leaseScopesRacePart,
  queuePart,
  queueRacePart,
  conditionsPart,
  idempotencyStorePart,
  idempotencyKeepingPart,
  idempotencyRacePart,
  checkpointsPart,
  subscribePart,
  badInputPart,
  badTextPart,
  sizesPart,
  closingPart,
  concurrencyPart(1),
];

/** Registers all tests of the contract for one store. */
export const eventStoreContract = (subject: ContractSubject, runner: ContractRunner): void =>
  registerParts(subject, runner, parts);

/**
 * Registers only the concurrent tests, each run `repeat` times in a row on one opened store (default 50): a race that
 * is lost once in thirty runs is found by repetition.
 */
export const eventStoreConcurrencyContract = (
  subject: ContractSubject,
  runner: ContractRunner,
  repeat = 50,
): void => registerParts(subject, runner, [concurrencyPart(repeat)]);
