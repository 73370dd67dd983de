import tseslint from 'typescript-eslint';

const environment = {
  object: 'process',
  property: 'env',
  message: 'config.ts and what starts a process (main.ts, migrate.ts, setup.ts) read the environment.',
};

// Formatting is Prettier's, the architecture is dependency-cruiser's (.dependency-cruiser.cjs); here is what makes wrong code visible.
export default tseslint.config(
  { ignores: ['**/dist/**', 'node_modules/**', '.sandlot/**', '.cache/**', 'coverage/**'] },
  {
    files: ['libs/*/src/**/*.ts', 'services/*/src/**/*.ts', 'runtime/src/**/*.ts', 'tools/*/src/**/*.ts'],
    extends: [...tseslint.configs.recommended],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      // An unhandled rejection ends the process; whoever does not wait says so with `void`.
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': ['error', { checksVoidReturn: false }],
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_', caughtErrors: 'all' }],
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports', disallowTypeAnnotations: false }],
      // A Nest parameter decorator and the type of its parameter may share a name.
      '@typescript-eslint/no-redeclare': 'off',
      'no-empty': ['error', { allowEmptyCatch: false }],
      eqeqeq: ['error', 'always', { null: 'ignore' }],
    },
  },
  {
    // emitDecoratorMetadata needs the classes that are injected as values.
    files: ['**/*.controller.ts', '**/*.module.ts', '**/*.consumer.ts', '**/*.consumers.ts', '**/*.guard.ts'],
    rules: { '@typescript-eslint/consistent-type-imports': 'off' },
  },
  {
    files: ['services/*/src/**/*.ts', 'libs/*/src/**/*.ts'],
    ignores: [
      '**/config.ts',
      '**/main.ts',
      '**/migrate.ts',
      '**/setup.ts',
      '**/*.spec.ts',
      '**/*.features.ts',
      '**/testing/**',
      'libs/testing/**',
      'libs/embedded/**',
    ],
    rules: {
      'no-restricted-properties': ['error', environment],
    },
  },
  {
    files: ['services/*/src/domain/**/*.ts'],
    ignores: ['**/*.spec.ts'],
    rules: {
      'no-restricted-properties': [
        'error',
        environment,
        { object: 'Date', property: 'now', message: 'Time comes in with the command.' },
        { object: 'Math', property: 'random', message: 'Randomness comes in with the command.' },
      ],
      'no-restricted-syntax': [
        'error',
        { selector: 'NewExpression[callee.name="Date"][arguments.length=0]', message: 'Time comes in with the command.' },
      ],
    },
  },
);
