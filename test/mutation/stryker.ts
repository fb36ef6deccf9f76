/** The mutation tester: `npm run mutants`, or `npm run mutants -- --mutate src/core/plan.ts` for a part. */
export default {
  mutate: ["src/core/**/*.ts", "src/compile/**/*.ts", "src/resources/*/plan*.ts"],
  testRunner: "vitest",
  plugins: ["@stryker-mutator/vitest-runner"],
  vitest: { configFile: "test/mutation/vitest.config.ts", related: false },
  coverageAnalysis: "perTest",
  concurrency: 2,
  thresholds: { high: 95, low: 90, break: 85 },
  incremental: true,
  incrementalFile: ".cache/mutants/incremental.json",
  reporters: ["clear-text", "json"],
  jsonReporter: { fileName: ".cache/mutants/report.json" },
  clearTextReporter: { allowColor: false, logTests: false, reportTests: false, reportMutants: false },
  tempDirName: ".cache/mutants/sandbox",
  // Of the compiler it asks a function that this one has no more; the tests need none of its settings.
  ignorePatterns: ["tsconfig.json", ".cache", "state", "desired", "systemd", ".ci"],
  warnings: { slow: false },
  allowEmpty: false,
};
