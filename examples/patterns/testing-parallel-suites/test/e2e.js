// The e2e suite. Says that it passed in `reports`.
const assert = require("node:assert/strict");
const fs = require("node:fs");

const { execFileSync } = require("node:child_process");

assert.equal(execFileSync("node", ["src/index.js"], { encoding: "utf8" }), "hello, tests: 3\n");

fs.mkdirSync("reports", { recursive: true });
fs.writeFileSync("reports/e2e.txt", "passed\n");
