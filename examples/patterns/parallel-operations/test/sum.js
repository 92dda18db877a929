// The test suite. Says that it passed in `reports`.
const assert = require("node:assert/strict");
const fs = require("node:fs");

const { sum } = require("../src/sum");

assert.equal(sum(1, 2), 3);

fs.mkdirSync("reports", { recursive: true });
fs.writeFileSync("reports/test.txt", "passed\n");
