// The arrows between the folders: who may import whom. Type imports count.
const packagePath = (names) => `(^|node_modules/)(${names})(/|$)`;

const only = (folder, allowed, comment) => ({
  name: `${folder}-arrows`,
  comment,
  severity: 'error',
  from: { path: `^src/${folder}/` },
  to: { path: '^(src|sagas|examples|test|bench|scripts)/', pathNot: `^src/(${allowed})/` },
});

const packageOnlyFrom = (name, names, from) => ({
  name: `${name}-only-there`,
  comment: `${names} may be imported from ${from} only.`,
  severity: 'error',
  from: { path: '^(src|sagas|examples)/', pathNot: from },
  to: { path: packagePath(names) },
});

module.exports = {
  forbidden: [
    {
      name: 'no-circular',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    only('core', 'core', 'The core is pure rules: it knows no other folder.'),
    only('store', 'store|core', 'Ports are stated in the words of the core.'),
    only('runtime', 'runtime|store|core', 'The shell runs on ports, not on one store.'),
    only('testing', 'testing|runtime|store|core|adapters/memory', 'What users test with needs no driver.'),
    only(
      'opentelemetry',
      'opentelemetry|runtime|store|core',
      'What is measured is told of any store and any saga.',
    ),
    only('adapters/memory', 'adapters/memory|store|core', 'An adapter knows its port.'),
    only('adapters/postgres', 'adapters/postgres|store|core', 'An adapter knows its port.'),
    only(
      'adapters/pglite',
      'adapters/pglite|adapters/postgres|store|core',
      'PGlite is another executor of the PostgreSQL statements, so it alone may import another adapter.',
    ),
    only('adapters/eventstoredb', 'adapters/eventstoredb|store|core', 'An adapter knows its port.'),
    only('server', 'server|store|core', 'The server serves any store, and knows the port only.'),
    {
      name: 'public-api-without-drivers',
      comment: 'The main entry point leaves drivers, test helpers and the command to their sub-paths.',
      severity: 'error',
      from: { path: '^src/index\\.ts$' },
      to: { path: '^(src|sagas)/', pathNot: '^src/(core|store|runtime|adapters/memory)/' },
    },
    {
      name: 'one-index',
      comment: 'src/index.ts is the public API; an index inside a folder would hide who imports what.',
      severity: 'error',
      from: {},
      to: { path: ['^src/(core|store|runtime)/index[.]ts$', '^src/(core|store|runtime)/.+/index[.]ts$'] },
    },
    {
      name: 'public-entry-points-only',
      comment: "Sagas and examples show what a user can write: 'watersmeet' and 'watersmeet/...' only.",
      severity: 'error',
      from: { path: '^(sagas|examples)/' },
      to: { path: '^(src|test|bench|scripts)/' },
    },
    {
      name: 'no-self-import-in-src',
      comment: 'Inside src a file is imported by its path; the package name would be a hidden circle.',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(watersmeet(/|$)|dist/)' },
    },
    {
      name: 'core-packages',
      comment:
        'The core uses fp-ts, io-ts and small pure libraries; of Node only the hashes (lint sees to it).',
      severity: 'error',
      from: { path: '^src/core/' },
      to: {
        dependencyTypes: ['core', 'npm', 'npm-dev', 'npm-peer', 'npm-optional'],
        pathNot: [packagePath('fp-ts|io-ts|uuid'), '^(node:)?crypto$'],
      },
    },
    packageOnlyFrom('pg', 'pg', '^src/adapters/postgres/'),
    packageOnlyFrom('pglite', '@electric-sql/pglite', '^src/adapters/pglite/'),
    packageOnlyFrom('eventstoredb-client', '@eventstore/db-client', '^src/(adapters/eventstoredb|server)/'),
    packageOnlyFrom('grpc', '@grpc/grpc-js', '^src/server/'),
    packageOnlyFrom('opentelemetry', '@opentelemetry/[^/]+', '^src/opentelemetry/'),
    {
      name: 'opentelemetry-api-only',
      comment: 'Which SDK there is, if any, is the business of the program.',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: packagePath('@opentelemetry/(?!api(/|$))[^/]+') },
    },
    packageOnlyFrom('terminal', 'commander|cli-progress|picocolors', '^src/cli/'),
    {
      name: 'no-dev-dependency',
      comment: 'A user does not have it.',
      severity: 'error',
      from: { path: '^(src|sagas)/' },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['npm-peer', 'type-only'], pathNot: '@types/' },
    },
    {
      name: 'resolvable',
      comment: 'Before a build the package cannot find itself; everything else must be found.',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true, pathNot: `^watersmeet(/|$)` },
    },
  ],
  options: {
    doNotFollow: { path: ['node_modules', '^dist/'] },
    tsPreCompilationDeps: true,
    combinedDependencies: false,
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default'],
      extensions: ['.ts', '.js', '.mjs', '.cjs', '.json'],
    },
  },
};
