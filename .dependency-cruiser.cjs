/** The architecture as a test. Each rule says why; `make check` runs them, `scripts/test-import-rules.mjs` proves that each one fires. */

// Files that exist for specs only. They may start servers and may know adapters.
const forTests = ['\\.(spec|features|fixture)\\.ts$', '/testing/', '-under-test\\.ts$', '/test-service\\.ts$'];

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    {
      name: 'no-cycles',
      comment: 'What depends on each other in a circle cannot be read, tested or replaced alone.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'everything-resolves',
      comment: 'An import that leads nowhere also escapes every other rule.',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: 'sources-not-builds',
      comment: 'What was built last may be older than the source; also a sign that a package is missing in tsconfig.paths.json.',
      severity: 'error',
      from: {},
      to: { path: '^(libs/[^/]+|services/[^/]+|tools/[^/]+|runtime)/dist/' },
    },
    {
      name: 'what-is-imported-is-declared',
      comment: 'A package that is there only because another one needs it disappears with that one. @jest/globals is jest itself.',
      severity: 'error',
      from: {},
      to: { dependencyTypes: ['npm-no-pkg', 'npm-unknown'], pathNot: '^node_modules/@jest/globals/' },
    },
    {
      name: 'packages-meet-at-their-index',
      comment: 'What a package does not export, it may change.',
      severity: 'error',
      from: { path: '^((?:libs|services|tools)/[^/]+|runtime)/' },
      to: { path: '^((libs|services|tools)/[^/]+|runtime)/src/', pathNot: ['^$1/', '/src/index\\.ts$'] },
    },
    {
      name: 'domain-is-pure',
      comment:
        'The rules of a service must be provable without Nest, NATS or a database: domain/ imports only kernel, contracts and itself.',
      severity: 'error',
      from: { path: '^services/([^/]+)/src/domain/', pathNot: '\\.spec\\.ts$' },
      to: { pathNot: ['^services/$1/src/domain/', '^libs/(kernel|contracts)/'], dependencyTypesNot: ['core'] },
    },
    {
      name: 'domain-needs-no-node',
      comment: 'Time, randomness and I/O come in with the command.',
      severity: 'error',
      from: { path: '^services/[^/]+/src/domain/' },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'kernel-depends-on-nothing',
      comment: 'Everything stands on it. zod is only a type there.',
      severity: 'error',
      from: { path: '^libs/kernel/src/', pathNot: '\\.spec\\.ts$' },
      to: { pathNot: ['^libs/kernel/src/', '^node_modules/zod/', '^(node:)?(crypto|zlib)$'] },
    },
    {
      name: 'contracts-are-pure',
      comment: 'What services say to each other must be readable by anybody: schemas, no transport.',
      severity: 'error',
      from: { path: '^libs/contracts/src/', pathNot: '\\.spec\\.ts$' },
      to: { pathNot: ['^libs/(contracts|kernel)/', '^node_modules/zod/', '^(node:)?crypto$'] },
    },
    {
      name: 'services-never-import-services',
      comment:
        'All that passes between services is events and messages, so that each can run, fail and be deployed alone. Standalone starts them all and is the exception, and sandlot-admin migrates and verifies the tables of all.',
      severity: 'error',
      from: { path: '^services/([^/]+)/', pathNot: '^services/(standalone/|admin/src/services\\.ts$)' },
      to: { path: '^services/', pathNot: '^services/$1/' },
    },
    {
      name: 'libs-never-import-services',
      comment: 'A library that knows a service cannot serve the others.',
      severity: 'error',
      from: { path: '^(libs|tools)/' },
      to: { path: '^(services|runtime)/' },
    },
    {
      name: 'only-the-module-picks-adapters',
      comment: 'One file decides what stands behind the ports; everything else can be tested with the twin in memory.',
      severity: 'error',
      from: { path: '^services/([^/]+)/src/', pathNot: ['^services/[^/]+/src/adapters/', '\\.module\\.ts$', ...forTests] },
      to: { path: '^services/$1/src/adapters/' },
    },
    {
      name: 'production-never-imports-testing',
      comment: 'libs/testing starts and kills servers; nothing that users run may depend on it.',
      severity: 'error',
      from: { path: '^(libs|services|runtime)/', pathNot: ['^libs/testing/', ...forTests] },
      to: { path: ['^libs/testing/', ...forTests] },
    },
    {
      name: 'only-specs-start-clusters',
      comment: 'tools/testbed builds and starts a whole Kubernetes, as root if need be; nothing that users run may depend on it.',
      severity: 'error',
      from: { path: '^(libs|services|runtime)/', pathNot: forTests },
      to: { path: '^tools/' },
    },
    {
      name: 'the-sandbox-runtime-stands-alone',
      comment: 'It runs inside sandboxes, next to code that nobody trusts: no dependency but Node, small and quick to start.',
      severity: 'error',
      from: { path: '^runtime/src/', pathNot: '\\.(spec|fixture)\\.ts$' },
      to: { pathNot: ['^runtime/src/'], dependencyTypesNot: ['core'] },
    },
    {
      name: 'no-names-that-say-nothing',
      comment: 'utils, common and helpers hide what a thing is for: name the concept.',
      severity: 'error',
      from: {},
      to: { path: '^(libs|services|tools|runtime)/.*/(utils?|helpers?|common|misc|types)(/|\\.ts$)' },
    },
  ],
  options: {
    doNotFollow: { path: ['node_modules', '/dist/'] },
    combinedDependencies: true,
    tsPreCompilationDeps: true,
    // Packages by their sources: through node_modules they would resolve to what was built last.
    tsConfig: { fileName: 'tsconfig.paths.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'types', 'default'] },
  },
};
