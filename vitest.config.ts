import { defineConfig } from "vitest/config"

const seed = (process.env["TEST_SEED"] ??= String(Math.floor(Math.random() * 2 ** 31)))
if (!/^\d{1,10}$/.test(seed)) throw new Error(`TEST_SEED is a whole number, and not ${JSON.stringify(seed)}`)

export default defineConfig({
  resolve: { alias: { turnout: new URL("src/index.ts", import.meta.url).pathname } },
  test: {
    reporters: ["default", "./test/reporter.ts"],
    include: ["test/**/*.test.ts"],
    setupFiles: ["./test/seed.ts"],
    env: { TEST_SEED: seed },
    testTimeout: 30_000,
    hookTimeout: 30_000
  }
})
