// Who may import whom (docs/adr/0002-monorepo-toolchain.md). `npm run check` runs it.
const TESTS = '(\\.test\\.ts$|^test/|^libs/testing/|/testing/)';
const code = (path) => ({ path, pathNot: TESTS });

/** The libraries, each with those below it that it may use. What is not here is reached through a service, or not at all. */
const BELOW = {
  contracts: [],
  lanes: [],
  'audit-chain': ['contracts'],
  config: ['contracts'],
  observability: ['contracts', 'config'],
  tracing: ['contracts', 'config', 'observability'],
  kafka: ['contracts', 'config', 'observability', 'tracing'],
  persistence: ['contracts', 'config', 'observability'],
  http: ['contracts', 'config', 'observability', 'tracing'],
};

module.exports = {
  forbidden: [
    ...Object.entries(BELOW).map(([lib, below]) => ({
      name: `libs-${lib}-looks-down-only`,
      comment: `libs/${lib} may use ${below.length > 0 ? below.join(', ') : 'no other library'}: what is below must not know what is above.`,
      severity: 'error',
      from: code(`^libs/${lib}/`),
      to: { path: '^(apps|libs|tools|test)/', pathNot: `^libs/(${[lib, ...below].join('|')})/` },
    })),
    {
      name: 'every-library-has-its-place',
      comment: 'A new library is entered in BELOW, so that its direction is decided once.',
      severity: 'error',
      from: { path: `^libs/(?!(${Object.keys(BELOW).join('|')}|testing)/)[^/]+/` },
      to: {},
    },
    {
      name: 'apps-stand-alone',
      comment: 'A service knows another one by its topics alone (architecture: every service stands alone).',
      severity: 'error',
      from: { path: '^apps/([^/]+)/', pathNot: TESTS },
      to: { path: '^apps/', pathNot: '^apps/$1/' },
    },
    {
      name: 'nobody-ships-tests',
      comment: 'What runs in production imports neither tests nor libs/testing nor tools.',
      severity: 'error',
      from: { path: '^(apps|libs)/', pathNot: TESTS },
      to: { path: ['\\.test\\.ts$', '^test/', '^libs/testing/', '^tools/', '^node_modules/vitest'] },
    },
    {
      name: 'tools-use-no-service',
      comment: 'Node runs tools/ as they are; the services are theirs to build, start and call, not to import.',
      severity: 'error',
      from: code('^tools/'),
      to: { path: '^(apps|libs|test)/' },
    },
    {
      name: 'kafkajs-in-one-place',
      comment: 'kafkajs loses acknowledged records unless it is used as libs/kafka uses it, so nobody else does.',
      severity: 'error',
      from: { path: '^(apps|libs|tools)/', pathNot: ['^libs/kafka/', TESTS] },
      to: { path: '(^|/)node_modules/kafkajs/' },
    },
    {
      name: 'opentelemetry-in-one-place',
      comment: 'Who does not trace must not pay for it: the SDK is loaded by one import(), when tracing is turned on.',
      severity: 'error',
      from: { path: '^(apps|libs|tools)/', pathNot: ['^libs/tracing/src/otlp/', TESTS] },
      to: { path: '(^|/)node_modules/@opentelemetry/' },
    },
    {
      name: 'opentelemetry-when-asked-for',
      comment: 'As above: a static import of what is behind the import() would load the SDK at every start.',
      severity: 'error',
      from: { path: '^(apps|libs|tools)/', pathNot: ['^libs/tracing/src/otlp/', TESTS] },
      to: { path: '^libs/tracing/src/otlp/', dependencyTypesNot: ['dynamic-import', 'type-only'] },
    },
    {
      name: 'postgres-in-few-places',
      comment:
        'Statements and entities live in libs/persistence and in the folders database/, ledger/, access/ and sql/ (or entity files) of a service.',
      severity: 'error',
      from: {
        path: '^(apps|libs)/',
        pathNot: ['^libs/persistence/', '^apps/.*/(database|ledger|sql|access)(/|\\.ts$)', '\\.entity\\.ts$', TESTS],
      },
      to: { path: '(^|/)node_modules/(pg|typeorm|@nestjs/typeorm)/' },
    },
    {
      name: 'no-cycles',
      comment: 'Two files that need each other are one file, or three.',
      severity: 'error',
      from: {},
      // Types vanish before anything runs.
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'declared-dependencies',
      comment: "A package is in the manifest of the workspace that imports it, else that service's image lacks it.",
      severity: 'error',
      from: code('^(apps|libs)/'),
      to: {
        dependencyTypes: ['npm-no-pkg', 'npm-unknown', 'npm-dev', 'npm-bundled'],
        dependencyTypesNot: ['type-only'],
      },
    },
    {
      name: 'everything-resolves',
      comment: 'An import that leads nowhere.',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    // Not every dist/: packages keep their code there.
    exclude: { path: '^((apps|libs)/[^/]+/dist|coverage|[.]bongsu)/' },
    enhancedResolveOptions: {
      conditionNames: ['import', 'node', 'default', 'types'],
      mainFields: ['module', 'main', 'types'],
    },
  },
};
