// A small type check: calls what each source exports with values of the types that its comment names, and
// looks at the type of the result. Says what it checked in `reports`.
const assert = require("node:assert/strict");
const fs = require("node:fs");
const path = require("node:path");

const values = { number: 1, string: "text", boolean: true };
const checked = [];
for (const name of fs.readdirSync("src").sort()) {
  const file = path.resolve("src", name);
  const text = fs.readFileSync(file, "utf8");
  for (const [, comment, exported] of text.matchAll(/\/\*\*(.*?)\*\/\nexports\.(\w+)/gs)) {
    const parameters = [...comment.matchAll(/@param \{(\w+)\}/g)].map((match) => values[match[1]]);
    const [, returns] = comment.match(/@returns \{(\w+)\}/);
    assert.equal(typeof require(file)[exported](...parameters), returns, `${name}: ${exported}`);
    checked.push(`${exported}: ${returns}`);
  }
}
assert.ok(checked.length > 0, "nothing to check");
fs.mkdirSync("reports", { recursive: true });
fs.writeFileSync("reports/type-check.json", JSON.stringify(checked) + "\n");
