import { defineConfig } from "vitest/config"

export default defineConfig({
  resolve: { alias: { turnout: new URL("src/index.ts", import.meta.url).pathname } },
  test: {
    reporters: ["default", "./test/reporter.ts"],
    include: ["test/**/*.test.ts"],
    testTimeout: 30_000,
    hookTimeout: 30_000
  }
})
