import { defineConfig } from "vitest/config";

/** The tests that the mutation tester runs: those of the pure parts, which need no host and take milliseconds. */
export default defineConfig({
  root: new URL("../..", import.meta.url).pathname,
  test: {
    name: "pure",
    include: ["test/core/**/*.test.ts", "test/compile/**/*.test.ts", "test/resources/*/plan*.test.ts"],
  },
});
