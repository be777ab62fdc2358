// Lint for what the compiler does not see; layout is the formatter's business, arrows are dependency-cruiser's.
import tseslint from 'typescript-eslint';

const esmBreakers = [
  { regex: '^fp-ts$', message: "Import one module: 'fp-ts/lib/Either.js'." },
  { regex: '^fp-ts/(?!lib/[A-Za-z]+\\.js$)', message: "Only 'fp-ts/lib/X.js' loads as ESM and as CommonJS." },
  {
    regex: '^io-ts/(?!lib/[A-Za-z]+\\.js$)',
    message: "Only 'io-ts' and 'io-ts/lib/X.js' load as ESM and as CommonJS.",
  },
];

const esmOnly = [
  {
    selector: 'MetaProperty[meta.name="import"]',
    message: 'These files are also built as CommonJS: no import.meta.',
  },
];
const cjsOnly = ['require', 'module', 'exports', '__dirname', '__filename'].map((name) => ({
  name,
  message: 'These files are also built as ES modules.',
}));

export default tseslint.config(
  { ignores: ['dist/', '.build-*/', 'node_modules/', 'coverage/', '.watersmeet/', '**/*.mjs', '**/*.cjs'] },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.recommended],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/await-thenable': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      // A codec and its type share a name.
      '@typescript-eslint/no-redeclare': 'off',
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      '@typescript-eslint/no-restricted-imports': ['error', { patterns: esmBreakers }],
      eqeqeq: ['error', 'always', { null: 'ignore' }],
    },
  },
  {
    files: ['src/**/*.ts', 'sagas/**/*.ts'],
    rules: {
      'no-restricted-globals': ['error', ...cjsOnly],
      'no-restricted-syntax': ['error', ...esmOnly],
      // A longer file or function says in a disabling comment why it is one.
      'max-lines': ['error', { max: 300, skipBlankLines: true, skipComments: true }],
      'max-lines-per-function': ['error', { max: 70, skipBlankLines: true, skipComments: true }],
    },
  },
  {
    // The suites for store authors are one nested description each.
    files: ['src/testing/**/*.ts'],
    rules: { 'max-lines-per-function': 'off' },
  },
  // The public API is one list.
  { files: ['src/index.ts'], rules: { 'max-lines': 'off' } },
  // Written by a script.
  { files: ['src/**/*.generated.ts'], rules: { 'max-lines': 'off' } },
  {
    files: ['src/core/**/*.ts'],
    rules: {
      'no-restricted-properties': [
        'error',
        { object: 'Date', property: 'now', message: 'The core has no clock: take the time as an argument.' },
        { object: 'Math', property: 'random', message: 'The core has no random: take it as an argument.' },
      ],
      '@typescript-eslint/no-restricted-imports': [
        'error',
        {
          paths: [
            {
              name: 'node:crypto',
              allowImportNames: ['hash', 'createHmac', 'timingSafeEqual'],
              message: 'The core has no random.',
            },
            {
              name: 'uuid',
              importNames: ['v1', 'v4', 'v6', 'v7'],
              message: 'The core has no clock and no random.',
            },
          ],
          patterns: [
            ...esmBreakers,
            {
              regex: '^fp-ts/lib/(Reader)?(State)?(Reader)?(Task|IO)',
              message: 'Effects live outside the core.',
              allowTypeImports: true,
            },
          ],
        },
      ],
    },
  },
);
