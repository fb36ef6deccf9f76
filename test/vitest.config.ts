import { defineConfig } from "vitest/config";

/**
 * `unit` touches nothing but a temporary directory; `root` mounts, in a private namespace; `long` builds roots and boots
 * guests; `clean` compiles without what any cache has, which is for `npm run boot` alone: it measures more than it proves.
 */
export default defineConfig({
  root: new URL("..", import.meta.url).pathname,
  test: {
    projects: [
      {
        test: {
          name: "unit",
          include: ["test/**/*.test.ts"],
          exclude: ["test/root/**", "test/vm/**", "test/systemd/**", "test/bench/**"],
          testTimeout: 30_000,
        },
      },
      {
        test: {
          name: "root",
          include: ["test/root/**/*.test.ts"],
          globalSetup: ["test/leftovers.ts"],
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          name: "long",
          include: ["test/vm/**/*.test.ts", "test/systemd/**/*.test.ts"],
          globalSetup: ["test/leftovers.ts"],
          testTimeout: 600_000,
          hookTimeout: 600_000,
          fileParallelism: false,
        },
      },
      {
        test: {
          name: "clean",
          include: ["test/bench/**/*.test.ts"],
          globalSetup: ["test/leftovers.ts"],
          testTimeout: 3_600_000,
          hookTimeout: 600_000,
        },
      },
    ],
  },
});
