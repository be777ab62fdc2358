/** The stores that the contract runs on, each opened empty. Drivers are loaded only by the tests that open them. */
import { memoryStore } from '../../src/adapters/memory/index.js';
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

export const allSubjects: ReadonlyArray<ContractSubject> = [memorySubject, pgliteSubject, postgresSubject];
