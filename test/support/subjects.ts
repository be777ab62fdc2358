/** The stores that the contract runs on, each opened empty. Drivers are loaded only by the tests that open them. */
import { it } from '@jest/globals';
import { memoryStore } from '../../src/adapters/memory/index.js';
import type { Capabilities } from '../../src/store/event-store.js';
import type { ContractSubject } from '../../src/testing/contract.js';

export const memorySubject: ContractSubject = {
  name: 'memory',
  lacks: { durable: 'it ends with the process', multiProcess: 'it lives inside one process' },
  open: async () => {
    const store = memoryStore();
    return { store, secondHandle: async () => store, dispose: () => store.close() };
  },
};

export const pgliteSubject: ContractSubject = {
  name: 'pglite',
  lacks: { multiProcess: 'a directory has one opener' },
  open: async () => (await import('./stores.js')).openTestPGlite(),
};

export const postgresSubject: ContractSubject = {
  name: 'postgres',
  open: async () => (await import('./stores.js')).openTestPostgres(),
};

export const eventStoreDBSubject: ContractSubject = {
  name: 'esdb over memory',
  lacks: {
    atomicAppendMany: 'the protocol appends to one stream',
    idempotentAny: 'the server remembers recent ids only',
    exactRepeats: 'the protocol does not say whether an append was a repeat',
    atomicMarks: 'marks are records that other processes follow',
    leases: 'the server keeps none',
    queue: 'the server keeps none',
    idempotency: 'the server remembers no operations',
    conditions: 'the server knows no tags',
  },
  open: async () => (await import('./eventstoredb.js')).openTestEventStoreDB(),
};

export const allSubjects: ReadonlyArray<ContractSubject> = [
  memorySubject,
  pgliteSubject,
  postgresSubject,
  eventStoreDBSubject,
];

/** `it`, or a skipped one with the reason in its title where the store lacks what the test needs. */
export const itOn =
  ({ lacks }: ContractSubject, ...needs: ReadonlyArray<keyof Capabilities>) =>
  (title: string, body: () => Promise<void>, timeoutMs?: number): void => {
    const reason = needs.map((capability) => lacks?.[capability]).find((one) => one !== undefined);
    if (reason === undefined) it(title, body, timeoutMs);
    else it.skip(`${title} (skipped: ${reason})`, body);
  };
