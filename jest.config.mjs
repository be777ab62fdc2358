// Tests run as ES modules from the TypeScript sources; NODE_OPTIONS=--experimental-vm-modules is required.
import Module from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import resolver from './scripts/jest-resolver.cjs';

const root = dirname(fileURLToPath(import.meta.url));

// Jest loads the global setup by Node's own require, which does not ask the resolver below.
const resolveFilename = Module._resolveFilename;
Module._resolveFilename = (request, parent, ...rest) => {
  const source = parent?.filename?.endsWith('.ts') && resolver.sourceOf(request, dirname(parent.filename));
  return source || resolveFilename(request, parent, ...rest);
};

export default {
  // dist is left out: nothing is tested in a build by import, only by running it.
  roots: ['src', 'sagas', 'test', 'examples'].map((folder) => join(root, folder)),
  testMatch: ['<rootDir>/test/**/*.test.ts'],
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      { jsc: { parser: { syntax: 'typescript' }, target: 'es2022' }, sourceMaps: 'inline' },
    ],
  },
  resolver: '<rootDir>/scripts/jest-resolver.cjs',
  moduleNameMapper: {
    '^watersmeet$': '<rootDir>/src/index.ts',
    '^watersmeet/(postgres|pglite|eventstoredb)$': '<rootDir>/src/adapters/$1/index.ts',
    '^watersmeet/(opentelemetry|server)$': '<rootDir>/src/$1/index.ts',
    '^watersmeet/jest$': '<rootDir>/src/testing/jest.ts',
    '^watersmeet/testing$': '<rootDir>/src/testing/index.ts',
    '^watersmeet/sagas/([^/]+)$': '<rootDir>/sagas/$1/index.ts',
  },
  globalSetup: '<rootDir>/test/support/global-setup.ts',
  globalTeardown: '<rootDir>/test/support/global-teardown.ts',
  maxWorkers: 2,
  // A test that hangs is found all the same; one that is only slow, on a machine with other work, is not failed for it.
  testTimeout: 180_000,
};
