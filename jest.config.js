/** @type {import('jest').Config} */
export default {
  testEnvironment: 'node',
  roots: ['<rootDir>/libs', '<rootDir>/services', '<rootDir>/runtime', '<rootDir>/tools'],
  testMatch: ['**/src/**/*.spec.ts'],
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        swcrc: false,
        sourceMaps: 'inline',
        module: { type: 'es6' },
        jsc: {
          target: 'es2023',
          parser: { syntax: 'typescript', decorators: true },
          transform: { legacyDecorator: true, decoratorMetadata: true, useDefineForClassFields: false },
          keepClassNames: true,
        },
      },
    ],
  },
  moduleNameMapper: {
    '^(\\.{1,2}/.*)\\.js$': '$1',
    '^@sandlot/runtime$': '<rootDir>/runtime/src/index.ts',
    '^@sandlot/testbed$': '<rootDir>/tools/testbed/src/index.ts',
    '^@sandlot/(kernel|contracts|embedded|testing|event-store|service-kit|consumers|operations|projections)$':
      '<rootDir>/libs/$1/src/index.ts',
    '^@sandlot/(auth|provisioner|audit|gateway|proxy|standalone|admin)$': '<rootDir>/services/$1/src/index.ts',
  },
  setupFiles: ['<rootDir>/jest.setup.mjs'],
  // A file grows the worker's heap by about 20 MB; recycle workers before they swap.
  workerIdleMemoryLimit: '1GB',
  // A deadline for what hangs, not a measure: machines of CI are slow at times.
  testTimeout: 120_000,
};
