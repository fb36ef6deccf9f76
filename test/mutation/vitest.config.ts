import { defineConfig } from "vitest/config";

/** The tests that the mutation tester runs: those of the pure parts, which need no host and take milliseconds. */
export default defineConfig({
  root: new URL("../..", import.meta.url).pathname,
  test: {
    name: "pure",
    // One worker for all files: starting one for each would take longer than the tests. They keep nothing between files.
    isolate: false,
    testTimeout: 30_000,
    include: ["test/core/**/*.test.ts", "test/compile/**/*.test.ts", "test/resources/*/plan*.test.ts"],
  },
});
