import { defineConfig } from "vitest/config";

/**
 * unit: pure, seconds, no privileges.
 * kernel: real namespaces; each file runs inside an unprivileged world of its own.
 * e2e: the built command, typed as a user types it.
 */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          include: ["src/**/*.test.ts", "test/unit/**/*.test.ts"],
          exclude: ["src/**/*.kernel.test.ts"],
          setupFiles: ["test/setup.ts"],
          testTimeout: 60_000,
        },
      },
      {
        test: {
          name: "kernel",
          include: ["src/**/*.kernel.test.ts", "test/kernel/**/*.test.ts"],
          setupFiles: ["test/setup.ts"],
          pool: "forks",
          fileParallelism: false,
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: "e2e",
          include: ["test/e2e/**/*.test.ts"],
          pool: "forks",
          fileParallelism: false,
          testTimeout: 180_000,
          hookTimeout: 180_000,
        },
      },
    ],
  },
});
